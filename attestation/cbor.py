"""A strict reader for CBOR (RFC 8949): one item, definite lengths, no duplicate keys, no trailing bytes, bounded depth.

Lenient readers differ in what they make of duplicates and of bytes behind the end; a verdict must not depend on that.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final, TypeAlias, Union

from attestation.errors import EvidenceError

MAX_DEPTH: Final = 16
MAX_ITEMS: Final = 4096

_INDEFINITE: Final = 31  # additional information of an item without a length
_BREAK: Final = b"\xff"

CborKey: TypeAlias = int | str | bytes
CborValue: TypeAlias = Union[
    None, bool, int, float, str, bytes, tuple["CborValue", ...], dict[CborKey, "CborValue"], "Tagged"
]


@dataclass(frozen=True, slots=True)
class Tagged:
    tag: int
    value: CborValue


def decode(data: bytes, *, indefinite: bool = False) -> CborValue:
    """The single item that fills `data`; EvidenceError otherwise. Arrays become tuples, maps dicts.

    `indefinite` also takes arrays and maps that end with a break (RFC 8949, 3.2.2), as AWS Nitro writes them.
    """
    reader = _Reader(data, indefinite=indefinite)
    value = reader.item(depth=0)
    if reader.offset != len(data):
        raise EvidenceError(f"{len(data) - reader.offset} bytes follow the CBOR item")
    return value


def decode_first(data: bytes) -> tuple[CborValue, int]:
    """The item that `data` begins with, and the number of its bytes: how WebAuthn puts a key before extensions."""
    reader = _Reader(data)
    return reader.item(depth=0), reader.offset


class _Reader:
    def __init__(self, data: bytes, *, indefinite: bool = False) -> None:
        self.data = data
        self.indefinite = indefinite
        self.offset = 0
        self.items = 0

    def item(self, *, depth: int) -> CborValue:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise EvidenceError("CBOR is nested too deep or has too many items")
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 0x1F
        if major == 7:
            return self._simple(info)
        if info == _INDEFINITE and self.indefinite and major in (4, 5):
            return self._array(None, depth=depth + 1) if major == 4 else self._map(None, depth=depth + 1)
        argument = self._argument(info)
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self._take(argument)
            case 3:
                return self._text(argument)
            case 4:
                return self._array(self._count(argument), depth=depth + 1)
            case 5:
                return self._map(self._count(argument), depth=depth + 1)
            case _:
                return Tagged(argument, self.item(depth=depth + 1))

    def _more(self, count: int | None) -> Iterator[None]:
        """As often as there are entries: counted, or (None) up to a break, which it takes."""
        while count is None and self.data[self.offset : self.offset + 1] != _BREAK:
            yield None
        if count is None:
            self._take(1)
        yield from repeat(None, count or 0)

    def _array(self, count: int | None, *, depth: int) -> tuple[CborValue, ...]:
        return tuple(self.item(depth=depth) for _ in self._more(count))

    def _map(self, count: int | None, *, depth: int) -> dict[CborKey, CborValue]:
        found: dict[CborKey, CborValue] = {}
        for _ in self._more(count):
            key = self.item(depth=depth)
            if isinstance(key, bool) or not isinstance(key, int | str | bytes):
                raise EvidenceError("CBOR map key is neither integer nor string")
            if key in found:
                raise EvidenceError("CBOR map has a key twice")
            found[key] = self.item(depth=depth)
        return found

    def _simple(self, info: int) -> CborValue:
        match info:
            case 20 | 21:
                return info == 21
            case 22:
                return None
            case 25 | 26 | 27:
                size, code = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}[info]
                number: float = struct.unpack(code, self._take(size))[0]
                return number
            case _:
                raise EvidenceError("CBOR simple value that attestation does not use")

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise EvidenceError("CBOR with indefinite length or reserved bits")
        size = 1 << (info - 24)
        value = int.from_bytes(self._take(size))
        if value < (24 if size == 1 else 1 << (size * 4)):
            raise EvidenceError("CBOR number is written longer than needed")
        return value

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError as error:
            raise EvidenceError("CBOR text is not UTF-8") from error

    def _count(self, argument: int) -> int:
        if argument > MAX_ITEMS:
            raise EvidenceError("CBOR has too many items")
        return argument

    def _take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self.data):
            raise EvidenceError("CBOR is cut short")
        taken = self.data[self.offset : end]
        self.offset = end
        return taken
