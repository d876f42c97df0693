"""Token Status Lists (draft-ietf-oauth-status-list-21, section 4): many statuses in few bits, zlib over them.

Index 0 stands in the LEAST significant bits of the first byte. (W3C's Bitstring Status List is the other way round.)
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from hallmark_events.base64url import decode_base64url, encode_base64url
from hallmark_events.canonical import INTEGER_MAX, Json
from hallmark_events.errors import StatusListInvalid

BITS: Final = (1, 2, 4, 8)
RAW_BYTES_MAX: Final = 4 * 2**20
"""Of a list that is read: 2^24 statuses of two bits. A few bytes of zlib can grow to a thousand times as many."""
URI_CHARACTERS_MAX: Final = 2_048
AGGREGATED_MAX: Final = 10_000

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", re.ASCII)


class StatusList:
    """Statuses by index, in memory as they are transferred. `bits` of one: 1, 2, 4 or 8."""

    __slots__ = ("_data", "bits")

    def __init__(self, bits: int, data: bytes | bytearray) -> None:
        """data: whole bytes of statuses; copied. Raises StatusListInvalid."""
        if bits not in BITS or isinstance(bits, bool):
            raise StatusListInvalid(f"a status has 1, 2, 4 or 8 bits, not {bits!r}")
        if len(data) > RAW_BYTES_MAX:
            raise StatusListInvalid(f"a status list has at most {RAW_BYTES_MAX} bytes, not {len(data)}")
        self.bits = bits
        self._data = bytearray(data)

    @classmethod
    def of_size(cls, size: int, bits: int) -> Self:
        """All 0 (VALID), at least `size` of them: rounded up to whole bytes. Raises StatusListInvalid."""
        if bits not in BITS or not 0 <= size * bits <= 8 * RAW_BYTES_MAX:
            raise StatusListInvalid(f"there is no list of {size} statuses of {bits} bits")
        return cls(bits, bytes(-(-size * bits // 8)))

    @classmethod
    def from_values(cls, values: Iterable[int], bits: int) -> Self:
        """Raises StatusListInvalid."""
        found = list(values)
        made = cls.of_size(len(found), bits)
        for index, value in enumerate(found):
            if value:
                made[index] = value
        return made

    @classmethod
    def decompress(cls, data: bytes, bits: int, *, raw_bytes_max: int = RAW_BYTES_MAX) -> Self:
        """From zlib (RFC 1950), one whole stream and nothing behind it. Raises StatusListInvalid."""
        stream = zlib.decompressobj()
        try:
            raw = stream.decompress(data, raw_bytes_max + 1)
        except zlib.error as error:
            raise StatusListInvalid(f"a status list is not zlib: {error}") from error
        if len(raw) > raw_bytes_max:
            raise StatusListInvalid(f"a status list grows beyond {raw_bytes_max} bytes")
        if not stream.eof or stream.unused_data:
            raise StatusListInvalid("a status list ends early, or has bytes behind its end")
        return cls(bits, raw)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """From the member status_list of a JWT: {"bits", "lst", "aggregation_uri"?}. Raises StatusListInvalid."""
        match value:
            case {"bits": int(bits), "lst": str(lst)}:
                data = decode_base64url(lst, what="lst", refuse=StatusListInvalid)
                return cls.decompress(data, bits)
            case _:
                raise StatusListInvalid("a status list has the members bits, a number, and lst, a text")

    def compress(self) -> bytes:
        """In zlib, with best compression as the draft recommends. Other builds of zlib may write other bytes."""
        return zlib.compress(self._data, zlib.Z_BEST_COMPRESSION)

    def to_json(self, *, aggregation_uri: str | None = None) -> dict[str, Json]:
        more = {} if aggregation_uri is None else {"aggregation_uri": aggregation_uri}
        return {"bits": self.bits, "lst": encode_base64url(self.compress()), **more}

    @property
    def raw(self) -> bytes:
        """A copy of the bytes before zlib."""
        return bytes(self._data)

    def __len__(self) -> int:
        return len(self._data) * 8 // self.bits

    def __getitem__(self, index: int) -> int:
        """Raises StatusListInvalid for an index that the list does not have: it says nothing about that token."""
        shift = self._shift(index)
        return self._data[index * self.bits >> 3] >> shift & ((1 << self.bits) - 1)

    def __setitem__(self, index: int, value: int) -> None:
        """Raises StatusListInvalid."""
        shift = self._shift(index)
        mask = (1 << self.bits) - 1
        if not 0 <= value <= mask:
            raise StatusListInvalid(f"{value} does not fit in {self.bits} bits")
        at = index * self.bits >> 3
        self._data[at] = self._data[at] & ~(mask << shift) | value << shift

    def __iter__(self) -> Iterator[int]:
        """All statuses, in order."""
        mask = (1 << self.bits) - 1
        for byte in self._data:
            for shift in range(0, 8, self.bits):
                yield byte >> shift & mask

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StatusList):
            return NotImplemented
        return self.bits == other.bits and self._data == other._data

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def copy(self) -> "StatusList":
        return StatusList(self.bits, self._data)

    def _shift(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise StatusListInvalid(f"index {index} is not in a list of {len(self)} statuses")
        return index * self.bits & 7


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the status of one token stands: the claim "status" (section 6): {"status_list": {"idx", "uri"}}."""

    index: int
    uri: str

    def to_json(self) -> dict[str, Json]:
        return {"status_list": {"idx": self.index, "uri": self.uri}}


def parse_reference(value: object) -> StatusReference:
    """From the value of "status", as parsed JSON. Raises StatusListInvalid."""
    match value:
        case {"status_list": {"idx": int(index), "uri": str(uri)}} if not isinstance(index, bool):
            if 0 <= index <= INTEGER_MAX:
                return StatusReference(index, check_uri(uri))
    raise StatusListInvalid('a status is {"status_list": {"idx": a number, "uri": a URI}}')


def aggregation(uris: Iterable[str]) -> dict[str, Json]:
    """The list of all status lists of an issuer (section 9.3). Raises StatusListInvalid."""
    return {"status_lists": [check_uri(uri) for uri in uris]}


def parse_aggregation(value: Mapping[str, Any]) -> tuple[str, ...]:
    """URIs of status lists, from parsed JSON. Raises StatusListInvalid."""
    found = value.get("status_lists")
    if not isinstance(found, list) or len(found) > AGGREGATED_MAX:
        raise StatusListInvalid(f"an aggregation has the array status_lists of at most {AGGREGATED_MAX} URIs")
    return tuple(check_uri(uri) for uri in found)


def check_uri(value: object) -> str:
    if not isinstance(value, str) or len(value) > URI_CHARACTERS_MAX or not _URI.fullmatch(value):
        raise StatusListInvalid("the uri of a status list is not a URI")
    return value
