"""A bounded walker for DER (X.690), one level at a time.

It reads what attestation evidence is made of and raises EvidenceError for anything else: no indefinite lengths, no
trailing bytes, depth at most 16, at most 1024 elements a level. Two mild departures from DER exist because genuine
devices need them, and both must be asked for:

- `relaxed=True` accepts lengths and integers written longer than needed: some secure elements fill fixed templates.
  Nothing becomes ambiguous by it, because signatures cover the bytes as they stand.
- `Element.boolean(any_nonzero=True)` accepts TRUE written as 0x01, as Qualcomm's Keymaster 4 does in RootOfTrust.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from attestation.errors import EvidenceError

MAX_DEPTH: Final = 16
MAX_CHILDREN: Final = 1024
MAX_INTEGER_OCTETS: Final = 1100  # an RSA-8192 modulus with room; serials and tags are far smaller

UNIVERSAL: Final = 0
CONTEXT: Final = 2


class Type(IntEnum):
    """Universal tag numbers (X.680, 8.6)."""

    BOOLEAN = 1
    INTEGER = 2
    BIT_STRING = 3
    OCTET_STRING = 4
    NULL = 5
    OBJECT_IDENTIFIER = 6
    ENUMERATED = 10
    SEQUENCE = 16
    SET = 17
    UTC_TIME = 23
    GENERALIZED_TIME = 24


@dataclass(frozen=True, slots=True)
class Element:
    """One tag-length-value. `raw` is the whole encoding, `content` the value octets."""

    tag_class: int
    constructed: bool
    number: int
    content: bytes
    raw: bytes
    depth: int
    relaxed: bool

    def is_a(self, kind: Type) -> bool:
        return self.tag_class == UNIVERSAL and self.number == kind

    def children(self, *, limit: int = MAX_CHILDREN) -> "tuple[Element, ...]":
        """The elements inside a constructed one, at most `limit`."""
        if not self.constructed:
            raise EvidenceError(f"element with tag {self.number} is primitive where a structure belongs")
        if self.depth >= MAX_DEPTH:
            raise EvidenceError(f"nested deeper than {MAX_DEPTH} levels")
        found: list[Element] = []
        offset = 0
        while offset < len(self.content):
            if len(found) == limit:
                raise EvidenceError(f"more than {limit} elements in one structure")
            child, offset = _read(self.content, offset, self.depth + 1, relaxed=self.relaxed)
            found.append(child)
        return tuple(found)

    def sequence(self, *, limit: int = MAX_CHILDREN) -> "tuple[Element, ...]":
        self._must_be(Type.SEQUENCE, constructed=True)
        return self.children(limit=limit)

    def set_of(self) -> "tuple[Element, ...]":
        self._must_be(Type.SET, constructed=True)
        return self.children()

    def explicit(self) -> "Element":
        """The single element inside an EXPLICIT context tag."""
        inner = self.children()
        if len(inner) != 1:
            raise EvidenceError(f"explicit tag {self.number} holds {len(inner)} elements")
        return inner[0]

    def integer(self) -> int:
        self._must_be(Type.INTEGER)
        return self._number()

    def enumerated(self) -> int:
        self._must_be(Type.ENUMERATED)
        return self._number()

    def octets(self) -> bytes:
        self._must_be(Type.OCTET_STRING)
        return self.content

    def null(self) -> None:
        self._must_be(Type.NULL)
        if self.content:
            raise EvidenceError("NULL with content")

    def boolean(self, *, any_nonzero: bool = False) -> bool:
        self._must_be(Type.BOOLEAN)
        match self.content:
            case b"\x00":
                return False
            case b"\xff":
                return True
            case value if len(value) == 1 and any_nonzero:
                return True
            case _:
                raise EvidenceError("BOOLEAN is neither 0x00 nor 0xFF")

    def bits(self) -> bytes:
        """Content of a BIT STRING of whole octets (keys and signatures)."""
        self._must_be(Type.BIT_STRING)
        if not self.content or self.content[0] != 0:
            raise EvidenceError("BIT STRING is not made of whole octets")
        return self.content[1:]

    def bit_flags(self) -> frozenset[int]:
        """Positions of the set bits of a named-bit BIT STRING (KeyUsage), bit 0 first."""
        self._must_be(Type.BIT_STRING)
        if not self.content or self.content[0] > 7 or len(self.content) > 9:
            raise EvidenceError("named bits are not well formed")
        octets = self.content[1:]
        return frozenset(i for i in range(len(octets) * 8) if octets[i // 8] >> (7 - i % 8) & 1)

    def oid(self) -> str:
        """Dotted form of an OBJECT IDENTIFIER of at most 64 octets."""
        self._must_be(Type.OBJECT_IDENTIFIER)
        if not 1 <= len(self.content) <= 64 or self.content[-1] & 0x80:
            raise EvidenceError("OBJECT IDENTIFIER is not well formed")
        arcs: list[int] = []
        value = 0
        for octet in self.content:
            if value == 0 and octet == 0x80:
                raise EvidenceError("OBJECT IDENTIFIER arc with leading zeros")
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))

    def time(self) -> datetime:
        """UTCTime or GeneralizedTime as RFC 5280, 4.1.2.5 wants them: seconds present, zone Z."""
        text = self.content.decode("ascii", "replace")
        if self.is_a(Type.UTC_TIME) and len(text) == 13:
            text = ("19" if text[:2] >= "50" else "20") + text
        elif not self.is_a(Type.GENERALIZED_TIME) or len(text) != 15:
            raise EvidenceError("time is neither UTCTime nor GeneralizedTime with seconds")
        if not (text[:14].isascii() and text[:14].isdigit() and text.endswith("Z")):
            raise EvidenceError("time is not made of digits and Z")
        try:
            return datetime.fromisoformat(f"{text[:8]}T{text[8:]}")
        except ValueError as error:
            raise EvidenceError("time names no day of the calendar") from error

    def _number(self) -> int:
        if not 1 <= len(self.content) <= MAX_INTEGER_OCTETS:
            raise EvidenceError(f"INTEGER of {len(self.content)} octets")
        padded = len(self.content) > 1 and self.content[0] == (0xFF if self.content[1] & 0x80 else 0x00)
        if padded and not self.relaxed:
            raise EvidenceError("INTEGER with leading octets that say nothing")
        return int.from_bytes(self.content, signed=True)

    def _must_be(self, kind: Type, *, constructed: bool = False) -> None:
        if not self.is_a(kind) or self.constructed is not constructed:
            raise EvidenceError(f"{kind.name} expected, found tag {self.number} of class {self.tag_class}")


def parse(data: bytes, *, relaxed: bool = False) -> Element:
    """Read exactly one element that fills `data`."""
    element, end = _read(data, 0, 0, relaxed=relaxed)
    if end != len(data):
        raise EvidenceError(f"{len(data) - end} bytes follow the structure")
    return element


def first_element_end(data: bytes, start: int) -> int:
    """Offset behind the element that begins at `start`: how files of concatenated certificates are cut."""
    return _read(data, start, 0, relaxed=True)[1]


def _read(data: bytes, start: int, depth: int, *, relaxed: bool) -> tuple[Element, int]:
    octet, offset = _octet(data, start)
    tag_class, constructed, number = octet >> 6, bool(octet & 0x20), octet & 0x1F
    if number == 0x1F:
        number, offset = _high_tag_number(data, offset)
    length, offset = _length(data, offset, relaxed=relaxed)
    end = offset + length
    if end > len(data):
        raise EvidenceError("structure is cut short")
    return Element(tag_class, constructed, number, data[offset:end], data[start:end], depth, relaxed), end


def _octet(data: bytes, offset: int) -> tuple[int, int]:
    if offset >= len(data):
        raise EvidenceError("structure is cut short")
    return data[offset], offset + 1


def _high_tag_number(data: bytes, offset: int) -> tuple[int, int]:
    number = 0
    for position in range(4):  # KeyMint tags end below 2^14; four octets leave room
        octet, offset = _octet(data, offset)
        if position == 0 and octet == 0x80:
            raise EvidenceError("tag number with leading zeros")
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            if number < 0x1F:
                raise EvidenceError("small tag number in long form")
            return number, offset
    raise EvidenceError("tag number too large")


def _length(data: bytes, offset: int, *, relaxed: bool) -> tuple[int, int]:
    octet, offset = _octet(data, offset)
    if octet < 0x80:
        return octet, offset
    size = octet & 0x7F
    if not 1 <= size <= 4 or offset + size > len(data):
        raise EvidenceError("length is indefinite, too large or cut short")
    length = int.from_bytes(data[offset : offset + size])
    if not relaxed and (length < 0x80 or data[offset] == 0):
        raise EvidenceError("length is written longer than needed")
    return length, offset + size
