"""WebAuthn statement "tpm" (8.3): a TPM certifies the credential's key with an attestation identity key (AIK)."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from attestation import cose_key as cose
from attestation.claims import SecurityLevel, VendorValue
from attestation.errors import EvidenceError
from attestation.formats.tpm_chain import AK_CERTIFICATE_USAGE, device_names, extended_usages
from attestation.formats.tpm_keys import check_certified
from attestation.formats.webauthn_registration import Registration
from attestation.formats.webauthn_signature import check_statement_signature, hash_of
from attestation.formats.webauthn_statement import (
    Ceremony,
    Outcome,
    algorithm_of,
    chain_of,
    check_aaguid,
    check_not_ca,
    finding_of,
    octets_of,
)
from attestation.model import Finding
from attestation.reasons import Reason
from attestation.tpm_structures import AttestType, CertifyInfo, TpmAttest, TpmPublic, parse_attest, parse_public
from attestation.trust_path import find_path
from attestation.x509 import Certificate


@dataclass(frozen=True, slots=True)
class TpmStatement:
    """The fields of the statement, read."""

    algorithm: int
    signature: bytes
    encoded_attest: bytes
    attest: TpmAttest
    public: TpmPublic


def judge_tpm(registration: Registration, ceremony: Ceremony) -> Outcome:
    """Chain; what was certified is this registration and this key; signature; the AIK certificate's profile."""
    case = ceremony.case
    chain = chain_of(registration.statement)
    path = find_path(chain, ceremony.anchors("tpm"), at=case.at)
    try:
        statement = _read(registration)
        findings = (*path.findings, *_check(statement, registration, chain[0]))
        if not case.policy.webauthn.allow_unprotected_tpm_keys:
            findings += check_certified(statement.public)
        weak = statement.algorithm == cose.RS1 and not case.policy.webauthn.allow_sha1_tpm_statements
        vendor: tuple[tuple[str, VendorValue], ...] = (
            ("statement_algorithm", statement.algorithm),
            ("tpm.attributes", " ".join(statement.public.attribute_names)),
            ("tpm.firmware_version", f"{statement.attest.firmware_version:016x}"),
            *((f"tpm.{name}", text) for name, text in sorted(device_names(chain[0]).items())),
        )
    except EvidenceError as error:
        findings, weak, vendor = (*path.findings, finding_of(error)), False, ()
    detail = "the statement is signed with SHA-1 (RS1)"
    return Outcome(
        findings, path.dates, (Finding(Reason.WEAK_HASH, detail),) if weak else (),
        chain=chain, anchor=path.anchor, level=SecurityLevel.TPM, vendor=vendor,
    )  # fmt: skip


def _read(registration: Registration) -> TpmStatement:
    fields = registration.statement
    if fields.get("ver") != "2.0":
        raise EvidenceError("the statement is not one of a TPM 2.0", reason=Reason.WRONG_TYPE)
    encoded = octets_of(fields, "certInfo")
    attest = parse_attest(encoded, expected=AttestType.CERTIFY)
    public = parse_public(octets_of(fields, "pubArea"))
    return TpmStatement(algorithm_of(fields), octets_of(fields, "sig"), encoded, attest, public)


def _check(statement: TpmStatement, registration: Registration, leaf: Certificate) -> Iterator[Finding]:
    """Bindings first: they name the cause where something in the registration was edited."""
    digest = hashes.Hash(hash_of(statement.algorithm))
    digest.update(registration.signed)
    if not hmac.compare_digest(statement.attest.extra_data, digest.finalize()):
        yield Finding(Reason.BAD_BINDING, "extraData is not the hash of this registration")
    attested = statement.attest.attested
    if not isinstance(attested, CertifyInfo) or not hmac.compare_digest(attested.name, statement.public.name):
        yield Finding(Reason.BAD_BINDING, "the TPM certified another object than the public area")
    if not _holds(statement.public, registration.key.spki):
        yield Finding(Reason.BAD_BINDING, "the public area holds another key than the credential")
    try:
        check_statement_signature(
            statement.algorithm, spki=leaf.spki, signature=statement.signature,
            message=statement.encoded_attest, allow_sha1=True,
        )  # fmt: skip
    except EvidenceError as error:
        yield finding_of(error)
    yield from _check_profile(leaf)
    yield from check_aaguid(leaf, registration.credential.aaguid)


def _holds(public: TpmPublic, spki: bytes) -> bool:
    """A public area whose numbers are no key holds none."""
    try:
        return hmac.compare_digest(public.spki, spki)
    except EvidenceError:
        return False


def _check_profile(leaf: Certificate) -> Iterator[Finding]:
    """Section 8.3.1: an AIK certificate has no subject, names its TPM, and is for this use only."""
    if leaf.subject.attributes:
        yield Finding(Reason.CERTIFICATE_PROFILE, "an AIK certificate has an empty subject")
    if not device_names(leaf).keys() >= {"manufacturer", "model", "version"}:
        yield Finding(Reason.CERTIFICATE_PROFILE, "the certificate does not name manufacturer, model and version")
    try:
        usages = extended_usages(leaf)
    except EvidenceError as error:
        yield Finding(Reason.CERTIFICATE_PROFILE, f"extended key usage: {error.detail}")
        return
    if AK_CERTIFICATE_USAGE not in usages:
        yield Finding(Reason.CERTIFICATE_PROFILE, "the certificate is not for use as AIK")
    yield from check_not_ca(leaf)
