"""KeyDescription, the certificate extension in which an Android device describes an attested key.

Schema: https://source.android.com/docs/security/features/keystore/attestation#schema (versions 1 to 500 share it).
"""

from dataclasses import dataclass
from typing import Final

from attestation import der
from attestation.claims import SecurityLevel
from attestation.der import Element
from attestation.errors import EvidenceError
from attestation.formats.android_authorization import AuthorizationList, parse_authorization_list
from attestation.x509 import Certificate

KEY_DESCRIPTION: Final = "1.3.6.1.4.1.11129.2.1.17"

_LEVELS: Final = (SecurityLevel.SOFTWARE, SecurityLevel.TEE, SecurityLevel.STRONGBOX)  # SecurityLevel 0 to 2


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """The eight fields of the extension. Only `hardware` was written by secure hardware; `software` is what the
    operating system added.
    """

    attestation_version: int
    attestation_level: SecurityLevel
    keymint_version: int
    keymint_level: SecurityLevel
    challenge: bytes
    unique_id: bytes
    software: AuthorizationList
    hardware: AuthorizationList


def key_description(certificate: Certificate) -> KeyDescription | None:
    """The description in this certificate, or None; EvidenceError (MALFORMED) when it is there but unreadable."""
    extension = certificate.extension(KEY_DESCRIPTION)
    return None if extension is None else parse_key_description(extension.value)


def parse_key_description(data: bytes) -> KeyDescription:
    """Read the extension's value."""
    fields = der.parse(data, relaxed=True).sequence()
    if len(fields) != 8:
        raise EvidenceError(f"KeyDescription has {len(fields)} fields, not 8")
    return KeyDescription(
        attestation_version=_version(fields[0]),
        attestation_level=_level(fields[1]),
        keymint_version=_version(fields[2]),
        keymint_level=_level(fields[3]),
        challenge=fields[4].octets(),
        unique_id=fields[5].octets(),
        software=parse_authorization_list(fields[6]),
        hardware=parse_authorization_list(fields[7]),
    )


def _version(element: Element) -> int:
    version = element.integer()
    if not 0 <= version < 2**31:
        raise EvidenceError("version is not a small number")
    return version


def _level(element: Element) -> SecurityLevel:
    number = element.enumerated()
    if not 0 <= number < len(_LEVELS):
        raise EvidenceError(f"security level {number} is unknown")
    return _LEVELS[number]
