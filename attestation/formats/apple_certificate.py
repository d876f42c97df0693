"""What Apple's attestation certificates say in extensions of their own: the nonce, the app, the operating system.

Apple documents the nonce only ("Validating apps that connect to your server"). The others have the shape of a list of
numbered tags, of which two are read as claims; no verdict rests on them.
"""

from typing import Final

from attestation import der
from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.x509 import Certificate

NONCE: Final = "1.2.840.113635.100.8.2"
APP: Final = "1.2.840.113635.100.8.5"
OPERATING_SYSTEM: Final = "1.2.840.113635.100.8.7"

_APP_ID_TAG: Final = 1204
_OS_VERSION_TAGS: Final = (1400, 1405)


def certified_nonce(certificate: Certificate) -> bytes:
    """The 32 octets in SEQUENCE { [1] EXPLICIT OCTET STRING }; MISSING_EXTENSION when there is no such extension."""
    extension = certificate.extension(NONCE)
    if extension is None:
        raise EvidenceError("the certificate carries no nonce", reason=Reason.MISSING_EXTENSION)
    fields = der.parse(extension.value).sequence()
    if len(fields) != 1 or fields[0].tag_class != der.CONTEXT or fields[0].number != 1:
        raise EvidenceError("the certificate's nonce is not well formed")
    return fields[0].explicit().octets()


def app_id(certificate: Certificate) -> str | None:
    """The App ID the key was made for, if the certificate can be read that far."""
    return next(iter(_texts(certificate, APP, (_APP_ID_TAG,))), None)


def os_versions(certificate: Certificate) -> tuple[str, ...]:
    """Versions of the operating system, such as 17.2.1; one until iOS 15, two since."""
    return _texts(certificate, OPERATING_SYSTEM, _OS_VERSION_TAGS)


def _texts(certificate: Certificate, oid: str, tags: tuple[int, ...]) -> tuple[str, ...]:
    extension = certificate.extension(oid)
    if extension is None:
        return ()
    try:
        fields = der.parse(extension.value, relaxed=True).sequence()
        found = [field.explicit().octets() for field in fields if field.number in tags]
    except EvidenceError:
        return ()
    return tuple(value.decode("utf-8", "replace") for value in found)
