"""Evidence of Apple App Attest: the attestation object and what may come with it, parsed within bounds."""

from dataclasses import dataclass
from typing import Final

from attestation import cbor
from attestation.authenticator_data import AttestedCredential, AuthenticatorData, parse_authenticator_data
from attestation.cbor import CborKey, CborValue
from attestation.chain import parse_chain
from attestation.errors import EvidenceError
from attestation.formats.apple_assertion import Assertion, parse_assertion
from attestation.model import Evidence, Format, Part
from attestation.reasons import Reason
from attestation.x509 import Certificate

MAX_EVIDENCE_BYTES: Final = 64 * 1024
MIN_CERTIFICATES: Final = 2

ATTESTATION_OBJECT: Final = "attestation-object"
KEY_ID: Final = "key-id"
ASSERTION: Final = "assertion"
ASSERTED_DATA: Final = "assertion-client-data"
PARTS: Final = frozenset({ATTESTATION_OBJECT, KEY_ID, ASSERTION, ASSERTED_DATA})

PRODUCTION: Final = b"appattest" + bytes(7)
DEVELOPMENT: Final = b"appattestdevelop"


@dataclass(frozen=True, slots=True)
class AppAttestFacts:
    """What was read, before any judgement."""

    chain: tuple[Certificate, ...]
    data: AuthenticatorData
    credential: AttestedCredential
    receipt: bytes | None
    key_id: bytes | None
    assertion: Assertion | None

    @property
    def environment(self) -> str | None:
        return {PRODUCTION: "production", DEVELOPMENT: "development"}.get(self.credential.aaguid)

    @property
    def counter(self) -> int:
        """The latest counter that the evidence shows."""
        return self.assertion.data.counter if self.assertion else self.data.counter


def evidence(
    attestation_object: bytes, *, key_id: bytes | None = None, assertion: tuple[bytes, bytes] | None = None
) -> Evidence:
    """What an app sends: the object from `attestKey`; perhaps the key id (32 bytes) that it got from `generateKey`, and
    an assertion by the new key with the data that it was made over.
    """
    parts = [Part(ATTESTATION_OBJECT, attestation_object)]
    if key_id is not None:
        parts.append(Part(KEY_ID, key_id))
    if assertion is not None:
        parts += [Part(ASSERTION, assertion[0]), Part(ASSERTED_DATA, assertion[1])]
    return Evidence(Format.APPLE_APP_ATTEST, tuple(parts))


def read(evidence: Evidence) -> AppAttestFacts:
    """Parse the evidence; EvidenceError (MALFORMED, WRONG_TYPE) when that is not possible."""
    if evidence.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {evidence.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    parts = {part.name: part.data for part in evidence.parts}
    if len(parts) != len(evidence.parts) or ATTESTATION_OBJECT not in parts or not parts.keys() <= PARTS:
        raise EvidenceError("evidence is not one attestation object and what belongs to it")
    if (ASSERTION in parts) != (ASSERTED_DATA in parts):
        raise EvidenceError("an assertion and its client data belong together")
    statement, data = _open(parts[ATTESTATION_OBJECT])
    if data.credential is None:
        raise EvidenceError("the authenticator data attests no credential")
    receipt = statement.get("receipt")
    if receipt is not None and not isinstance(receipt, bytes):
        raise EvidenceError("the receipt is not a string of bytes")
    return AppAttestFacts(
        chain=_chain(statement.get("x5c")),
        data=data,
        credential=data.credential,
        receipt=receipt,
        key_id=parts.get(KEY_ID),
        assertion=parse_assertion(parts[ASSERTION], parts[ASSERTED_DATA]) if ASSERTION in parts else None,
    )


def _open(data: bytes) -> tuple[dict[CborKey, CborValue], AuthenticatorData]:
    content = cbor.decode(data)
    if not isinstance(content, dict) or content.keys() != {"fmt", "attStmt", "authData"}:
        raise EvidenceError("attestation object is not format, statement and authenticator data")
    if content["fmt"] != "apple-appattest":
        raise EvidenceError("attestation object is of another format", reason=Reason.WRONG_TYPE)
    statement, authenticator_data = content["attStmt"], content["authData"]
    if not isinstance(statement, dict) or not isinstance(authenticator_data, bytes):
        raise EvidenceError("attestation object has fields of wrong types")
    if not statement.keys() <= {"x5c", "receipt"}:
        raise EvidenceError("statement has fields that App Attest does not know")  # such as a receipt by another name
    return statement, parse_authenticator_data(authenticator_data)


def _chain(value: CborValue) -> tuple[Certificate, ...]:
    if not isinstance(value, tuple) or not all(isinstance(item, bytes) for item in value):
        raise EvidenceError("x5c is not a list of certificates")
    if len(value) < MIN_CERTIFICATES:
        detail = f"{len(value)} certificates, at least {MIN_CERTIFICATES} are needed"
        raise EvidenceError(detail, reason=Reason.INCOMPLETE_CHAIN)
    return parse_chain(tuple(item for item in value if isinstance(item, bytes)))
