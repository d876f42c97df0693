"""A writer of deterministic CBOR (RFC 8949, 4.2.1): shortest forms, definite lengths, map keys in the order of their
bytes. One value has one encoding, so what was signed can be compared octet by octet.
"""

from attestation.cbor import CborValue, Tagged
from attestation.errors import ArgumentError


def encode(value: CborValue) -> bytes:
    """Integers of 64 bits, strings, arrays, maps, tags, booleans and null; ArgumentError for other values."""
    match value:
        case bool() | None:
            return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            raw = value.encode()
            return _head(3, len(raw)) + raw
        case tuple():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case dict():
            pairs = sorted((encode(key), encode(item)) for key, item in value.items())
            return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
        case Tagged():
            return _head(6, value.tag) + encode(value.value)
        case _:
            raise ArgumentError(f"{type(value).__name__} is not written as CBOR here")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (size * 8):
            return bytes([major << 5 | info]) + argument.to_bytes(size)
    raise ArgumentError("integer has more than 64 bits")
