"""The little DER (X.690) that private keys need: elements of definite, minimal length, read and written.

Bounded by its input, never recursive. Raises DerError only, whatever the bytes.
"""

from typing import Final

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
CONTEXT_0: Final = 0x80
"""[0] IMPLICIT, primitive."""
CONTEXT_0_CONSTRUCTED: Final = 0xA0


class DerError(ValueError):
    """Not the DER that was expected."""


def take(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """(content of the first element, what follows it)."""
    if len(data) < 2 or data[0] != tag:
        raise DerError
    size, start = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        start = 2 + count
        if not 1 <= count <= 3 or len(data) < start:
            raise DerError
        size = int.from_bytes(data[2:start], "big")
        if size < 0x80 or size >> 8 * (count - 1) == 0:  # a shorter form was possible (X.690, 10.1)
            raise DerError
    if len(data) < start + size:
        raise DerError
    return data[start : start + size], data[start + size :]


def take_only(data: bytes, tag: int) -> bytes:
    """The content of the one element there is."""
    content, rest = take(data, tag)
    if rest:
        raise DerError
    return content


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def object_identifier(dotted: str) -> bytes:
    """The whole element of an OID (X.690, 8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.insert(0, 0x80 | arc & 0x7F)
        content += bytes(groups)
    return element(OBJECT_IDENTIFIER, bytes(content))
