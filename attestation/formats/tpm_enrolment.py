"""TPM evidence that brings a key into the caller's books: an activated credential, or certificates alone.

Activated credential, in the order of the findings:

 1. the EK is a restricted decryption key, fixed to its TPM; the AK, where its public area is given, as in a quote
 2. the EK is enrolled by the caller, or has a certificate under an anchor for endorsement keys
 3. the credential has the shape of one made for this EK
 4. AK and EK are those that the caller made the credential for (`TpmCollateral.credential_name` and `credential_ek`),
    and where the caller knows its digest (`credential_sha256`), the credential is the one it made
 5. the secret that the TPM returned is the challenge: the caller makes the credential with its challenge as the secret

Certificates alone prove nothing about their sender. They are judged for whoever collects EKs before devices are
shipped; the default policy does not accept them.
"""

import hmac
from dataclasses import replace
from hashlib import sha256

from attestation.case import Case
from attestation.chain import check_dates
from attestation.claims import VendorValue
from attestation.errors import ArgumentError, EvidenceError
from attestation.formats import tpm_parts
from attestation.formats.tpm_appraisal import appraise_kind, appraise_revocation, covered
from attestation.formats.tpm_chain import Path, find_path
from attestation.formats.tpm_claims import assemble, key_claim
from attestation.formats.tpm_keys import Trust, TrustInputs, check_ak, check_ek, check_name, trust_ak, trust_ek
from attestation.formats.tpm_parts import TpmParts
from attestation.model import Finding, Judgement
from attestation.policy_tpm import TpmKind
from attestation.public_key import describe_key
from attestation.reasons import Reason, Unchecked
from attestation.tpm_credential import Credential, EkTemplate, check_credential, check_name_shape
from attestation.tpm_structures import TpmPublic, parse_public


def judge(case: Case, parts: TpmParts) -> Judgement:
    inputs = TrustInputs(parts.intermediates, case.anchors, case.collateral.tpm, case.policy.tpm, case.at)
    if parts.get(tpm_parts.ACTIVATED_SECRET) is not None:
        return _judge_activation(case, parts, inputs)
    if parts.ek_certificates or parts.get(tpm_parts.AK_CERTIFICATE) is not None:
        return _judge_certificates(case, parts, inputs)
    raise EvidenceError("evidence has neither a statement, nor an activated secret, nor a certificate")


def _judge_activation(case: Case, parts: TpmParts, inputs: TrustInputs) -> Judgement:
    ek = parse_public(parts.need(tpm_parts.EK_PUBLIC))
    ak_public = parts.get(tpm_parts.AK_PUBLIC)
    ak = None if ak_public is None else parse_public(ak_public)
    secret = parts.need(tpm_parts.ACTIVATED_SECRET)
    name = _ak_name(parts, ak)
    certificate = parts.ek_certificates[0] if parts.ek_certificates else None
    trust = trust_ek(certificate, inputs, spki=ek.spki, name=ek.name)
    findings = [*check_ek(ek), *_check_activated_ak(parts, ak), *trust.findings]
    findings += _check_shape(parts, ek, secret)
    findings += _check_named(name, ek, parts, case)
    if not hmac.compare_digest(secret, case.expectation.challenge):
        findings.append(Finding(Reason.CHALLENGE_MISMATCH, "the TPM returned another secret"))
    if case.expectation.key_spki is not None and (ak is None or ak.spki != case.expectation.key_spki):
        findings.append(Finding(Reason.KEY_MISMATCH, "the AK is not the key to enrol"))
    if not findings:
        findings = _appraise(case, [trust.path] if trust.path else [], TpmKind.ACTIVATION)
    vendor: dict[str, VendorValue] = {"ak_name": name.hex(), "ek_name": ek.name.hex()}
    claims = assemble(key=None if ak is None else key_claim(ak), path=trust.path, challenge=None, vendor=vendor)
    unchecked = [*trust.not_checked, *_unchecked(case, [trust.path])]
    if ak is None:
        unchecked.append(Unchecked.AK_ATTRIBUTES)
    return Judgement(tuple(findings), claims, tuple(dict.fromkeys(unchecked)))


def _ak_name(parts: TpmParts, ak: TpmPublic | None) -> bytes:
    name = parts.need(tpm_parts.AK_NAME) if ak is None else ak.name
    try:
        check_name_shape(name)
    except ArgumentError as error:
        raise EvidenceError(f"AK name: {error}") from error
    return name


def _check_activated_ak(parts: TpmParts, ak: TpmPublic | None) -> list[Finding]:
    return [] if ak is None else [*check_ak(ak), *check_name(parts.get(tpm_parts.AK_NAME), ak, what="AK")]


def _check_shape(parts: TpmParts, ek: TpmPublic, secret: bytes) -> list[Finding]:
    """Step 3. What it holds can be told by the TPM alone, and the TPM told it."""
    credential = _credential(parts)
    template = EkTemplate(ek.name_algorithm, ek.symmetric.key_bits)
    try:
        check_credential(credential, ek_spki=ek.spki, template=template, secret_bytes=len(secret))
    except EvidenceError as error:
        return [Finding(Reason.BINDING_MISMATCH, f"credential: {error.detail}")]
    return []


def _credential(parts: TpmParts) -> Credential:
    return Credential(parts.need(tpm_parts.ID_OBJECT), parts.need(tpm_parts.ENCRYPTED_SECRET))


def _check_named(name: bytes, ek: TpmPublic, parts: TpmParts, case: Case) -> list[Finding]:
    """Step 4. Otherwise a key of the sender's making could be slipped in for the AK that opened the credential, or a
    genuine EK for the key of the sender's making that did.
    """
    known = case.collateral.tpm
    if known is None or known.credential_name is None or known.credential_ek is None:
        detail = "the AK and the EK that the credential was made for were not given"
        return [Finding(Reason.COLLATERAL_MISSING, detail)]
    findings: list[Finding] = []
    if not hmac.compare_digest(known.credential_name, name):
        findings.append(Finding(Reason.NAME_MISMATCH, "the credential was made for another AK"))
    if not hmac.compare_digest(known.credential_ek, ek.spki):
        findings.append(Finding(Reason.BINDING_MISMATCH, "the credential was made for another EK"))
    made = known.credential_sha256
    if made is not None and not hmac.compare_digest(made, _credential(parts).sha256):
        findings.append(Finding(Reason.BINDING_MISMATCH, "the credential is not the one that was made"))
    return findings


def _judge_certificates(case: Case, parts: TpmParts, inputs: TrustInputs) -> Judgement:
    trusts = [_trust(der, inputs, is_ek=True) for der in parts.ek_certificates]
    ak_certificate = parts.get(tpm_parts.AK_CERTIFICATE)
    if ak_certificate is not None:
        trusts.append(_trust(ak_certificate, inputs, is_ek=False))
    findings = [finding for trust in trusts for finding in trust.findings]
    paths = [trust.path for trust in trusts if trust.path]
    wanted = case.expectation.key_spki
    if wanted is not None and wanted not in {path.leaf.spki for path in paths}:
        findings.append(Finding(Reason.KEY_MISMATCH, "no certificate is for the key to enrol"))
    if not findings:
        findings = _appraise(case, paths, TpmKind.CERTIFICATE)
    claims = assemble(key=describe_key(paths[0].leaf.spki), path=paths[0], challenge=None, vendor={})
    taken = [item for trust in trusts for item in trust.not_checked]
    unchecked = (Unchecked.CHALLENGE, Unchecked.POSSESSION, *taken, *_unchecked(case, paths))
    return Judgement(tuple(findings), claims, tuple(dict.fromkeys(unchecked)))


def _trust(der: bytes, inputs: TrustInputs, *, is_ek: bool) -> Trust:
    """Trust in the key of a certificate. An enrolled certificate needs no issuer, but keeps its dates."""
    path = find_path(der, (), ())
    if inputs.collateral is not None and sha256(der).digest() in inputs.collateral.enrolled_certificates:
        dates = check_dates(path.certificates, first=0, last=1, at=inputs.at)
        return Trust(dates, path, (Unchecked.ENROLLED_KEY,))
    decide = trust_ek if is_ek else trust_ak
    return decide(der, replace(inputs, collateral=None), spki=path.leaf.spki, name=None)


def _appraise(case: Case, paths: list[Path], kind: TpmKind) -> list[Finding]:
    policy, collateral = case.policy.tpm, case.collateral.tpm
    revocation = (finding for path in paths for finding in appraise_revocation(path, collateral, policy, at=case.at))
    return [*appraise_kind(kind, policy), *revocation]


def _unchecked(case: Case, paths: list[Path | None] | list[Path]) -> list[Unchecked]:
    binding = [Unchecked.KEY_BINDING] if case.expectation.key_spki is None else []
    revocation = [] if all(covered(path, case.collateral.tpm) for path in paths) else [Unchecked.REVOCATION]
    return [*binding, *revocation]
