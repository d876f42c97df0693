"""Authenticator data (Web Authentication Level 3, 6.1), which WebAuthn and Apple's App Attest share.

32 octets hash of the relying party's id, 1 octet of flags, 4 octets signature counter; then, by flag, the attested
credential (16 octets AAGUID, 2 octets length, credential id, COSE key) and a CBOR map of extensions.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from attestation.cbor import CborValue, decode, decode_first
from attestation.errors import EvidenceError

HEADER_BYTES: Final = 37
MAX_CREDENTIAL_ID_BYTES: Final = 1023  # WebAuthn Level 3, 7.1, step 25
MAX_AUTHENTICATOR_DATA_BYTES: Final = 16 * 1024


class Flag(IntFlag):
    """Bits of the flags octet. The two reserved ones carry no meaning and are let through."""

    USER_PRESENT = 0x01
    USER_VERIFIED = 0x04
    BACKUP_ELIGIBLE = 0x08
    BACKED_UP = 0x10
    ATTESTED_CREDENTIAL = 0x40
    EXTENSIONS = 0x80


@dataclass(frozen=True, slots=True)
class AttestedCredential:
    """`public_key` is the decoded COSE_Key, not yet judged."""

    aaguid: bytes
    credential_id: bytes
    public_key: CborValue


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    raw: bytes
    rp_id_hash: bytes
    flags: Flag
    counter: int
    credential: AttestedCredential | None
    extensions: CborValue


def parse_authenticator_data(data: bytes) -> AuthenticatorData:
    """Read all of it; EvidenceError (MALFORMED) when bytes are missing or left over."""
    if not HEADER_BYTES <= len(data) <= MAX_AUTHENTICATOR_DATA_BYTES:
        raise EvidenceError(f"authenticator data of {len(data)} bytes")
    flags = Flag(data[32])
    rest = data[HEADER_BYTES:]
    credential = None
    if Flag.ATTESTED_CREDENTIAL in flags:
        credential, rest = _credential(rest)
    extensions = None
    if Flag.EXTENSIONS in flags:
        extensions, rest = decode(rest), b""
        if not isinstance(extensions, dict):
            raise EvidenceError("extensions of the authenticator data are not a map")
    if rest:
        raise EvidenceError(f"{len(rest)} bytes follow the authenticator data")
    counter = int.from_bytes(data[33:HEADER_BYTES])
    return AuthenticatorData(data, data[:32], flags, counter, credential, extensions)


def parse_assertion_data(data: bytes) -> AuthenticatorData:
    """Read the authenticator data of an Apple assertion: the 37 octets of the header and nothing more. Apple sets the
    flag for an attested credential there, although none follows.
    """
    if len(data) != HEADER_BYTES:
        raise EvidenceError(f"authenticator data of {len(data)} bytes, an assertion has {HEADER_BYTES}")
    return AuthenticatorData(data, data[:32], Flag(data[32]), int.from_bytes(data[33:]), None, None)


def _credential(data: bytes) -> tuple[AttestedCredential, bytes]:
    size = int.from_bytes(data[16:18])
    if len(data) < 18 + size or not 1 <= size <= MAX_CREDENTIAL_ID_BYTES:
        raise EvidenceError("attested credential is cut short or its id has an impossible length")
    public_key, end = decode_first(data[18 + size :])
    return AttestedCredential(data[:16], data[18 : 18 + size], public_key), data[18 + size + end :]
