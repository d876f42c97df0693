"""A small DER writer (X.690) for the evidence factory. It writes what it is told, valid or not."""

from datetime import datetime

SEQUENCE = 0x30
SET = 0x31


def tlv(identifier: int | bytes, content: bytes) -> bytes:
    """Identifier octets, length in its shortest form, content."""
    first = identifier if isinstance(identifier, bytes) else bytes([identifier])
    if len(content) < 0x80:
        return first + bytes([len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return first + bytes([0x80 | len(length)]) + length + content


def sequence(*items: bytes) -> bytes:
    return tlv(SEQUENCE, b"".join(items))


def set_of(*items: bytes) -> bytes:
    """A SET OF, its encodings sorted as DER demands (X.690, 11.6)."""
    return tlv(SET, b"".join(sorted(items)))


def integer(value: int, *, identifier: int = 0x02) -> bytes:
    return tlv(identifier, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, signed=True))


def enumerated(value: int) -> bytes:
    return integer(value, identifier=0x0A)


def boolean(value: bool) -> bytes:  # noqa: FBT001 - a DER boolean is one
    return tlv(0x01, b"\xff" if value else b"\x00")


def null() -> bytes:
    return tlv(0x05, b"")


def octets(value: bytes) -> bytes:
    return tlv(0x04, value)


def bits(value: bytes, *, unused: int = 0) -> bytes:
    return tlv(0x03, bytes([unused]) + value)


def utf8(value: str) -> bytes:
    return tlv(0x0C, value.encode())


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return tlv(0x06, b"".join(map(_base128, (first * 40 + second, *rest))))


def generalized_time(value: datetime) -> bytes:
    return tlv(0x18, f"{value:%Y%m%d%H%M%S}Z".encode())


def utc_time(value: datetime) -> bytes:
    return tlv(0x17, f"{value:%y%m%d%H%M%S}Z".encode())


def time(value: datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5)."""
    return utc_time(value) if 1950 <= value.year < 2050 else generalized_time(value)


def explicit(number: int, content: bytes) -> bytes:
    """Context tag of any number around an element."""
    return tlv(bytes([0xA0 | number]) if number < 0x1F else b"\xbf" + _base128(number), content)


def _base128(value: int) -> bytes:
    octets_ = [value & 0x7F]
    while value := value >> 7:
        octets_.append(0x80 | value & 0x7F)
    return bytes(reversed(octets_))
