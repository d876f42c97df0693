"""From a file to certificates: PEM (blocks one after the other, leaf first) or DER, single or concatenated."""

import binascii
import re
from base64 import b64decode
from typing import Final

from attestation.chain import MAX_CERTIFICATES
from attestation.der import first_element_end
from attestation.errors import EvidenceError

MAX_FILE_BYTES: Final = 128 * 1024  # PEM is a third larger than the 64 KiB of evidence, and may carry comments

_SEQUENCE: Final = 0x30
_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")


def load_chain(data: bytes) -> tuple[bytes, ...]:
    """DER certificates in the order of the file, at most 8; EvidenceError (MALFORMED) when there are none.

    Only the container is read here; what is inside is judged by `verify`.
    """
    if len(data) > MAX_FILE_BYTES:
        raise EvidenceError(f"file of {len(data)} bytes, at most {MAX_FILE_BYTES}")
    certificates = _from_pem(data) if b"-----BEGIN" in data else _from_der(data)
    if not certificates:
        raise EvidenceError("file holds no certificate")
    return certificates


def _from_pem(data: bytes) -> tuple[bytes, ...]:
    blocks = _BLOCK.findall(data)
    if len(blocks) > MAX_CERTIFICATES:
        raise EvidenceError(f"file holds {len(blocks)} certificates, at most {MAX_CERTIFICATES}")
    try:
        return tuple(b64decode(b"".join(block.split()), validate=True) for block in blocks)
    except binascii.Error as error:
        raise EvidenceError("PEM block is not Base64") from error


def _from_der(data: bytes) -> tuple[bytes, ...]:
    certificates: list[bytes] = []
    offset = 0
    while offset < len(data):
        if len(certificates) == MAX_CERTIFICATES:
            raise EvidenceError(f"file holds more than {MAX_CERTIFICATES} certificates")
        if data[offset] != _SEQUENCE:
            raise EvidenceError("file is neither PEM nor DER certificates")
        end = first_element_end(data, offset)
        certificates.append(data[offset:end])
        offset = end
    return tuple(certificates)
