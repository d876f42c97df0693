"""A WebAuthn registration: attestation object and client data, parsed within bounds (Web Authentication Level 3, 6.5).

The client data is JSON that the browser wrote; its hash is what authenticators sign, so it is kept as it came.
"""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from attestation import cbor
from attestation.authenticator_data import AttestedCredential, AuthenticatorData, Flag, parse_authenticator_data
from attestation.cbor import CborKey, CborValue
from attestation.cose_key import CoseKey, parse_cose_key
from attestation.errors import EvidenceError
from attestation.model import Evidence, Format, Part

MAX_EVIDENCE_BYTES: Final = 64 * 1024
MAX_CLIENT_DATA_BYTES: Final = 16 * 1024

ATTESTATION_OBJECT: Final = "attestation-object"
CLIENT_DATA: Final = "client-data-json"
U2F: Final = "fido-u2f"


@dataclass(frozen=True, slots=True)
class ClientData:
    """What the browser says of the ceremony (5.8.1)."""

    type: str
    challenge: bytes
    origin: str
    cross_origin: bool
    hash: bytes


@dataclass(frozen=True, slots=True)
class Registration:
    """What was read, before any judgement. `signed` is what most statements sign."""

    format: str
    statement: dict[CborKey, CborValue]
    data: AuthenticatorData
    credential: AttestedCredential
    key: CoseKey
    client_data: ClientData

    @property
    def signed(self) -> bytes:
        return self.data.raw + self.client_data.hash

    @property
    def flags(self) -> Flag:
        """The flags, as far as the statement covers them: U2F signs neither flags nor counter nor AAGUID (8.6), but is
        made at a touch.
        """
        return Flag.USER_PRESENT if self.format == U2F else self.data.flags

    @property
    def counter(self) -> int | None:
        return None if self.format == U2F else self.data.counter

    @property
    def model(self) -> bytes:
        """The AAGUID, where somebody other than the credential's own key vouches for it; zeros elsewhere."""
        by_itself = self.format == "packed" and "x5c" not in self.statement
        return bytes(16) if by_itself or self.format in (U2F, "none") else self.credential.aaguid


def evidence(attestation_object: bytes, client_data_json: bytes) -> Evidence:
    """What a browser sends: `response.attestationObject` and `response.clientDataJSON`, as bytes."""
    parts = (Part(ATTESTATION_OBJECT, attestation_object), Part(CLIENT_DATA, client_data_json))
    return Evidence(Format.WEBAUTHN, parts)


def read(evidence: Evidence) -> Registration:
    """Parse the evidence; EvidenceError: MALFORMED, or UNSUPPORTED_ALGORITHM for the credential's key."""
    if evidence.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {evidence.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    if sorted(part.name for part in evidence.parts) != [ATTESTATION_OBJECT, CLIENT_DATA]:
        raise EvidenceError("evidence is not one attestation object and one client data")
    content = cbor.decode(evidence.named(ATTESTATION_OBJECT)[0])
    if not isinstance(content, dict) or content.keys() != {"fmt", "attStmt", "authData"}:
        raise EvidenceError("attestation object is not format, statement and authenticator data")
    name, statement, raw = content["fmt"], content["attStmt"], content["authData"]
    if not (isinstance(name, str) and isinstance(statement, dict) and isinstance(raw, bytes)):
        raise EvidenceError("attestation object has fields of wrong types")
    data = parse_authenticator_data(raw)
    if data.credential is None:
        raise EvidenceError("the authenticator data attests no credential")
    key = parse_cose_key(data.credential.public_key, algorithm_required=True)
    client_data = parse_client_data(evidence.named(CLIENT_DATA)[0])
    return Registration(name, statement, data, data.credential, key, client_data)


def parse_client_data(data: bytes) -> ClientData:
    """Read the client data, at most 16 KiB of UTF-8 (a byte order mark is skipped, 7.1 step 6). Members that are not
    known are let through, as the specification demands; none may be there twice.
    """
    if len(data) > MAX_CLIENT_DATA_BYTES:
        raise EvidenceError(f"client data of {len(data)} bytes, at most {MAX_CLIENT_DATA_BYTES}")
    try:
        content = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_no_duplicates)
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is text that nobody can pass on
    except (ValueError, RecursionError) as error:
        raise EvidenceError("client data is not JSON") from error
    if not isinstance(content, dict):
        raise EvidenceError("client data is not an object")
    kind, challenge, origin = (content.get(name) for name in ("type", "challenge", "origin"))
    if not (isinstance(kind, str) and isinstance(challenge, str) and isinstance(origin, str)):
        raise EvidenceError("client data lacks type, challenge or origin")
    cross_origin = content.get("crossOrigin", False)
    return ClientData(kind, _base64url(challenge), origin, cross_origin is True, sha256(data).digest())


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EvidenceError("client data has a member twice")
    return found


def _base64url(text: str) -> bytes:
    """Base64url without padding (RFC 4648, 5), in the one form that the bytes have."""
    if not text.isascii() or text.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"):
        raise EvidenceError("the challenge in the client data is not base64url")
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise EvidenceError("the challenge in the client data is not base64url") from error
