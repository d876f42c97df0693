"""PEM text of certificates (RFC 7468) that has to be PEM and nothing else, as vendors' services and quotes carry it."""

import binascii
import re
from base64 import b64decode
from typing import Final

from attestation.errors import EvidenceError

MAX_PEM_BYTES: Final = 64 * 1024

_BLOCK: Final = re.compile(rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def pem_certificates(text: bytes, *, at_most: int) -> tuple[bytes, ...]:
    """DER certificates in the order of the text; white space and NULs may follow. EvidenceError for anything else."""
    if len(text) > MAX_PEM_BYTES:
        raise EvidenceError(f"PEM text of {len(text)} bytes, at most {MAX_PEM_BYTES}")
    text = text.rstrip(b"\0 \t\r\n")
    found: list[bytes] = []
    offset = 0
    while offset < len(text):
        block = _BLOCK.match(text, offset)
        if block is None:
            raise EvidenceError("text is not made of PEM certificates")
        if len(found) == at_most:
            raise EvidenceError(f"text holds more than {at_most} certificates")
        try:
            found.append(b64decode(b"".join(block[1].split()), validate=True))
        except binascii.Error as error:
            raise EvidenceError("PEM block is not Base64") from error
        offset = block.end()
    if not found:
        raise EvidenceError("text holds no certificate")
    return tuple(found)
