"""What every kind of WebAuthn statement is judged with, and what comes out of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from attestation import der
from attestation.case import Case
from attestation.cbor import CborKey, CborValue
from attestation.chain import parse_chain
from attestation.claims import Claims, SecurityLevel, VendorValue
from attestation.errors import EvidenceError
from attestation.model import Finding, Format, TrustAnchor
from attestation.reasons import Reason, Unchecked
from attestation.x509 import Certificate

AAGUID_EXTENSION = "1.3.6.1.4.1.45724.1.1.4"  # id-fido-gen-ce-aaguid (8.2.1)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The case, and the anchors that FIDO metadata adds for this model of authenticator."""

    case: Case
    metadata_anchors: tuple[TrustAnchor, ...]

    def anchors(self, use: str) -> tuple[TrustAnchor, ...]:
        return (*self.case.anchors.for_use(Format.WEBAUTHN, use), *self.metadata_anchors)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one statement proves. `findings` break off, `dates` and `appraisal` only count when there are none before.
    `inner` are the claims of an Android key description.
    """

    findings: tuple[Finding, ...]
    dates: tuple[Finding, ...] = ()
    appraisal: tuple[Finding, ...] = ()
    chain: tuple[Certificate, ...] = ()
    anchor: TrustAnchor | None = None
    level: SecurityLevel | None = None
    vendor: tuple[tuple[str, VendorValue], ...] = ()
    inner: Claims | None = None
    not_checked: tuple[Unchecked, ...] = ()


def chain_of(statement: dict[CborKey, CborValue]) -> tuple[Certificate, ...]:
    """The certificates in x5c; EvidenceError (MALFORMED) when there are none or one cannot be read."""
    value = statement.get("x5c")
    if not isinstance(value, tuple) or not all(isinstance(item, bytes) for item in value):
        raise EvidenceError("x5c is not a list of certificates")
    return parse_chain(tuple(item for item in value if isinstance(item, bytes)))


def octets_of(statement: dict[CborKey, CborValue], name: str) -> bytes:
    value = statement.get(name)
    if not isinstance(value, bytes):
        raise EvidenceError(f"statement has no byte string {name}")
    return value


def algorithm_of(statement: dict[CborKey, CborValue]) -> int:
    value = statement.get("alg")
    if not isinstance(value, int) or isinstance(value, bool):
        raise EvidenceError("statement names no algorithm")
    return value


def check_aaguid(certificate: Certificate, aaguid: bytes) -> Iterator[Finding]:
    """Where the certificate names a model, it is the one in the authenticator data (8.2, 8.3)."""
    extension = certificate.extension(AAGUID_EXTENSION)
    if extension is None:
        return
    try:
        certified = der.parse(extension.value).octets()
    except EvidenceError as error:
        yield Finding(Reason.CERTIFICATE_PROFILE, f"AAGUID in the certificate: {error.detail}")
        return
    if extension.critical:
        yield Finding(Reason.CERTIFICATE_PROFILE, "the AAGUID in the certificate is marked as critical")
    if certified != aaguid:
        yield Finding(Reason.BAD_BINDING, f"the certificate is for AAGUID {certified.hex()}, not {aaguid.hex()}")


def check_not_ca(certificate: Certificate) -> Iterator[Finding]:
    try:
        if certificate.basic_constraints().ca:
            yield Finding(Reason.CERTIFICATE_PROFILE, "the attestation certificate is one of a CA")
    except EvidenceError as error:
        yield Finding(Reason.CERTIFICATE_PROFILE, f"attestation certificate: {error.detail}")


def finding_of(error: EvidenceError) -> Finding:
    return Finding(error.reason, error.detail)
