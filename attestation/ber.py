"""BER with indefinite lengths (X.690, 8.1.3.6) rewritten with definite ones, so that the DER walker can read it.

CMS allows it, and Apple's receipts are written so. Elements of definite length stay untouched, byte by byte: what is
signed inside (certificates, signed attributes) is DER already. Constructed OCTET STRINGs are joined (8.7.3).
"""

from typing import Final

from attestation import der
from attestation.errors import EvidenceError

MAX_DEPTH: Final = 16

_OCTET_STRING: Final = 0x24  # constructed
_INDEFINITE: Final = 0x80
_END: Final = b"\x00\x00"


def definite(data: bytes) -> bytes:
    """The single BER element that fills `data`, without indefinite lengths; EvidenceError when it is not one."""
    element, end = _read(data, 0, depth=0)
    if end != len(data):
        raise EvidenceError(f"{len(data) - end} bytes follow the structure")
    return element


def _read(data: bytes, start: int, *, depth: int) -> tuple[bytes, int]:
    if depth > MAX_DEPTH:
        raise EvidenceError(f"nested deeper than {MAX_DEPTH} levels")
    if start + 2 > len(data):
        raise EvidenceError("structure is cut short")
    if data[start + 1] != _INDEFINITE:
        end = der.first_element_end(data, start)
        return data[start:end], end
    identifier = data[start]
    if not identifier & 0x20 or identifier & 0x1F == 0x1F:
        raise EvidenceError("indefinite length where it cannot be")
    children, offset = _children(data, start + 2, depth=depth)
    if identifier == _OCTET_STRING:
        return _tlv(0x04, b"".join(der.parse(child).octets() for child in children)), offset
    return _tlv(identifier, b"".join(children)), offset


def _children(data: bytes, offset: int, *, depth: int) -> tuple[list[bytes], int]:
    """Everything up to the end-of-contents octets, and the offset behind them."""
    found: list[bytes] = []
    while data[offset : offset + 2] != _END:
        if len(found) == der.MAX_CHILDREN:
            raise EvidenceError(f"more than {der.MAX_CHILDREN} elements in one structure")
        child, offset = _read(data, offset, depth=depth + 1)
        found.append(child)
    return found, offset + 2


def _tlv(identifier: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([identifier, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([identifier, 0x80 | len(length)]) + length + content
