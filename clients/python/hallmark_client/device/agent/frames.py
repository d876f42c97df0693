"""The wire between apps and the agent (docs/device-agent.md). Pure: no socket, no clock.

On a connection both sides speak in turn. What they say is a frame: its length in 4 bytes, big-endian, then that many
bytes of canonical JSON (hallmark_events.canonical), an object with "v".

    agent    {"nonce":"<32 hex digits>","v":1}                      and waits for it to come back
    app      {"op":"hello","params":{"nonce":"..."},"v":1}
    agent    {"result":{...},"v":1}  or  {"error":{...},"v":1}
    app      {"op":"find","params":{"name":"chat","version":null},"v":1}
    ...

Plaintext never is in a frame. On the channel that `get` answers with, an app asks with 12 bytes: offset (8) and size
(4, up to 4 MiB); each answer is pieces of 5 bytes, kind (1) and length (4), and that many bytes. All are big-endian.
"""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final, TypeVar

from hallmark_client.device.agent.errors import AgentInvalid
from hallmark_events.canonical import (
    INTEGER_MAX,
    Json,
    canonical_json,
    parse_base64,
    parse_canonical,
    parse_hex,
    parse_time,
)

T = TypeVar("T")
Choice = TypeVar("Choice", bound=Enum)

VERSION: Final = 1
PREFIX_SIZE: Final = 4
REQUEST_MAX: Final = 256 * 1024
"""Bytes of JSON: room for 64 labels."""
ANSWER_MAX: Final = 32 * 1024 * 1024
"""Bytes of JSON: room for the parts of a release of a hundred thousand files."""
TEXT_MAX: Final = 4096
NONCE_SIZE: Final = 16

ASKED: Final = struct.Struct(">QI")
"""Offset and size of what an app wants to read."""
PIECE: Final = struct.Struct(">BI")
"""Kind and length of what comes back."""
READ_MAX: Final = 4 * 1024 * 1024
PIECE_MAX: Final = 256 * 1024
_ERROR_MAX: Final = 64 * 1024
_EMPTY: Final = 2
"""{}"""


class Op(StrEnum):
    HELLO = "hello"
    STATUS = "status"
    FIND = "find"
    LIST = "list"
    EFFECTIVE_POLICY = "effective-policy"
    GET = "get"
    PUT = "put"
    END = "end"
    """Of what `put` sends."""
    DELETE = "delete"
    WATCH = "watch"


class PieceKind(IntEnum):
    DATA = 0
    ERROR = 1
    """A frame's body, {"error": ...}; nothing follows."""


def frame(limit: int = ANSWER_MAX, /, **members: Json) -> bytes:
    """Raises ValueError for what has no such frame."""
    data = body(**members)
    if len(data) > limit:
        raise ValueError(f"a frame has at most {limit} bytes")
    return len(data).to_bytes(PREFIX_SIZE) + data


def body(**members: Json) -> bytes:
    return canonical_json({**members, "v": VERSION})


def body_size(prefix: bytes | bytearray, limit: int) -> int:
    """How many bytes follow these four. Raises AgentInvalid."""
    size = int.from_bytes(prefix)
    if len(prefix) != PREFIX_SIZE or not _EMPTY <= size <= limit:
        raise AgentInvalid(f"a frame has {_EMPTY} to {limit} bytes after its length of {PREFIX_SIZE}")
    return size


def parse_body(data: bytes, limit: int) -> "Members":
    """Without its version. Raises AgentInvalid for any bytes but the one spelling of an object of this version."""
    found = parse_canonical(data, what="a frame", max_bytes=limit, refuse=AgentInvalid)
    if type(found.get("v")) is not int or found.pop("v") != VERSION:
        raise AgentInvalid(f"a frame has version {VERSION}")
    return Members(found)


def parse_request(data: bytes) -> tuple[Op, "Members"]:
    """What is asked, with its parameters. Raises AgentInvalid."""
    found = parse_body(data, REQUEST_MAX).only("op", "params")
    return found.choice("op", Op), found.members("params")


def parse_piece(header: bytes | bytearray, *, at_most: int) -> tuple[PieceKind, int]:
    """Kind and length. at_most: data that is still wanted. Raises AgentInvalid."""
    kind, length = PIECE.unpack(header)
    if kind not in tuple(PieceKind):
        raise AgentInvalid(f"there is no piece of kind {kind}")
    if not 1 <= length <= (at_most if kind == PieceKind.DATA else _ERROR_MAX):
        raise AgentInvalid(f"a piece has {length} bytes")
    return PieceKind(kind), length


class Members:
    """The members of an object. Every reader raises AgentInvalid."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise AgentInvalid("an object is expected")
        self._value: dict[str, Any] = value

    def only(self, *names: str) -> "Members":
        """Exactly these."""
        if set(self._value) != set(names):
            raise AgentInvalid(f"an object has other members than {', '.join(names) or 'none'}")
        return self

    def has(self, name: str) -> bool:
        return name in self._value

    def number(self, name: str, *, at_most: int = INTEGER_MAX) -> int:
        value = self._get(name)
        if type(value) is not int or not 0 <= value <= at_most:
            raise AgentInvalid(f"{name} is not an integer from 0 to {at_most}")
        return value

    def flag(self, name: str) -> bool:
        value = self._get(name)
        if not isinstance(value, bool):
            raise AgentInvalid(f"{name} is neither true nor false")
        return value

    def text(self, name: str, *, at_most: int = TEXT_MAX) -> str:
        value = self._get(name)
        if not isinstance(value, str) or len(value) > at_most:
            raise AgentInvalid(f"{name} is not a text of at most {at_most} characters")
        return value

    def data(self, name: str, *, at_most: int) -> bytes:
        value = parse_base64(self._get(name), what=name, refuse=AgentInvalid)
        if len(value) > at_most:
            raise AgentInvalid(f"{name} has more than {at_most} bytes")
        return value

    def hexadecimal(self, name: str, size: int) -> bytes:
        return parse_hex(self._get(name), size, what=name, refuse=AgentInvalid)

    def time(self, name: str) -> datetime:
        return parse_time(self._get(name), what=name, refuse=AgentInvalid)

    def choice(self, name: str, kind: type[Choice]) -> Choice:
        value = self._get(name)
        for member in kind:
            if isinstance(value, str) and member.value == value:
                return member
        raise AgentInvalid(f"{name} is none of {', '.join(str(member.value) for member in kind)}")

    def members(self, name: str) -> "Members":
        return Members(self._get(name))

    def many(self, name: str, read: Callable[["Members"], T]) -> tuple[T, ...]:
        """Objects."""
        return tuple(read(Members(item)) for item in self._list(name))

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._list(name)
        if not all(isinstance(item, str) and len(item) <= TEXT_MAX for item in found):
            raise AgentInvalid(f"{name} is not an array of texts")
        return tuple(found)

    def pairs(self, name: str) -> dict[str, str]:
        """Written as [[key, value], ...], sorted: keys may be any text."""
        found: dict[str, str] = {}
        for item in self._list(name):
            if not isinstance(item, list) or len(item) != 2 or not all(isinstance(text, str) for text in item):
                raise AgentInvalid(f"{name} is not an array of pairs of texts")
            found[item[0]] = item[1]
        if [list(item) for item in sorted(found.items())] != self._value[name]:
            raise AgentInvalid(f"{name} is not sorted, each key once")
        return found

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return None if self._get(name) is None else read(name)

    def _get(self, name: str) -> object:
        if name not in self._value:
            raise AgentInvalid(f"{name} is missing")
        return self._value[name]

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list):
            raise AgentInvalid(f"{name} is not an array")
        return value


def pairs(of: Mapping[str, str]) -> Json:
    """As `Members.pairs` reads them."""
    return [[key, value] for key, value in sorted(of.items())]
