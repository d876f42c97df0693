"""The wire between this SDK and a native app that keeps the keys (docs/device-bridge.md). Pure: no socket, no clock.

A connection carries one request and one answer. Each is a frame: its length in 4 bytes, big-endian, then that many
bytes of JSON: printable ASCII without backslash, keys sorted, no white space, integers only. Bytes travel as base64.

    request  {"op":"epoch","params":{},"v":1}
    answer   {"result":{"epoch":1},"v":1}  or  {"error":{"code":"lost","message":"..."},"v":1}
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, assert_never

from hallmark_client.device.errors import LimitReached, RootLost, RootUnavailable
from hallmark_events.canonical import Json, canonical_json, parse_base64, parse_canonical

VERSION: Final = 1
PREFIX_SIZE: Final = 4
FRAME_MAX: Final = 256 * 1024
"""Bytes of JSON: room for a certificate chain, little enough to read whole."""
BLOB_MAX: Final = 16 * 1024
MESSAGE_MAX: Final = 16 * 1024
"""Of what `sign` signs."""
SENTENCE_MAX: Final = 500

_TEXT: Final = re.compile(rb"[\x20-\x5b\x5d-\x7e]*")
_EMPTY_FRAME: Final = 2
"""{}"""


class Op(StrEnum):
    FACTS = "facts"
    EPOCH = "epoch"
    SEAL = "seal"
    OPEN = "open"
    ADVANCE = "advance"
    EVIDENCE = "evidence"
    ATTEST = "attest"
    SIGN = "sign"


class Code(StrEnum):
    """Why a bridge says no."""

    INVALID = "invalid"
    """The request can not be right: an unknown op, a field too much, a value out of bounds."""
    UNAVAILABLE = "unavailable"
    """Not now: locked, no user present, no such ability."""
    LOST = "lost"
    MAX_USES = "max-uses"
    NOT_AFTER = "not-after"


class BridgeInvalid(RootUnavailable):
    """BRIDGE_INVALID: what came over the socket is not this protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("BRIDGE_INVALID", f"the bridge breaks its protocol: {message}; see docs/device-bridge.md")


def frame(value: Mapping[str, Json]) -> bytes:
    """Raises ValueError for what has no such frame."""
    data = canonical_json(value)
    if len(data) > FRAME_MAX or not _TEXT.fullmatch(data):
        raise ValueError(f"a frame is printable ASCII without backslash, at most {FRAME_MAX} bytes")
    return len(data).to_bytes(PREFIX_SIZE) + data


def body_size(prefix: bytes) -> int:
    """How many bytes follow these four. Raises BridgeInvalid."""
    size = int.from_bytes(prefix)
    if len(prefix) != PREFIX_SIZE or not _EMPTY_FRAME <= size <= FRAME_MAX:
        raise BridgeInvalid(f"a frame has {_EMPTY_FRAME} to {FRAME_MAX} bytes after its length of 4")
    return size


def parse_body(data: bytes) -> dict[str, Any]:
    """Raises BridgeInvalid for any bytes but the one spelling of an object."""
    if not _TEXT.fullmatch(data):
        raise BridgeInvalid("a frame is printable ASCII without backslash")
    return parse_canonical(data, what="a frame", max_bytes=FRAME_MAX, refuse=BridgeInvalid)


class Fields:
    """The members of an object that must have exactly these names. Every reader raises BridgeInvalid."""

    def __init__(self, value: object, *names: str) -> None:
        if not isinstance(value, dict) or set(value) != set(names):
            raise BridgeInvalid(f"an object has other members than {', '.join(names) or 'none'}")
        self._value = value

    def number(self, name: str, *, at_least: int) -> int:
        value = self._value[name]
        if type(value) is not int or value < at_least:
            raise BridgeInvalid(f"{name} is not an integer from {at_least}")
        return value

    def number_or_none(self, name: str, *, at_least: int) -> int | None:
        return None if self._value[name] is None else self.number(name, at_least=at_least)

    def text(self, name: str) -> str:
        value = self._value[name]
        if not isinstance(value, str) or not 1 <= len(value) <= SENTENCE_MAX:
            raise BridgeInvalid(f"{name} is not a text of 1 to {SENTENCE_MAX} characters")
        return value

    def data(self, name: str, *, at_least: int, at_most: int) -> bytes:
        value = parse_base64(self._value[name], what=name, refuse=BridgeInvalid)
        if not at_least <= len(value) <= at_most:
            raise BridgeInvalid(f"{name} has not {at_least} to {at_most} bytes")
        return value

    def many(self, name: str, *, at_most: int) -> list[Any]:
        value = self._value[name]
        if not isinstance(value, list) or len(value) > at_most:
            raise BridgeInvalid(f"{name} is not an array of at most {at_most}")
        return value

    def members(self, name: str, *, at_most: int) -> dict[str, Any]:
        value = self._value[name]
        if not isinstance(value, dict) or len(value) > at_most:
            raise BridgeInvalid(f"{name} is not an object of at most {at_most} members")
        return value


def request(op: Op, params: Mapping[str, Json]) -> bytes:
    return frame({"op": op.value, "params": params, "v": VERSION})


def parse_request(data: bytes) -> tuple[Op, dict[str, Any]]:
    """For what serves a bridge. Raises BridgeInvalid."""
    fields = Fields(parse_body(data), "op", "params", "v")
    _check_version(fields)
    op = fields.text("op")
    if op not in set(Op):
        raise BridgeInvalid("no such op")
    return Op(op), fields.members("params", at_most=8)


def result(value: Mapping[str, Json]) -> bytes:
    return frame({"result": value, "v": VERSION})


def refusal(code: Code, message: str) -> bytes:
    """message: one sentence; whatever a frame does not take is left out."""
    plain = re.sub(r"[^\x20-\x5b\x5d-\x7e]", "", message)[:SENTENCE_MAX] or code.value
    return frame({"error": {"code": code.value, "message": plain.replace('"', "'")}, "v": VERSION})


def parse_answer(data: bytes) -> dict[str, Any]:
    """The result. Raises the error that the bridge told: RootUnavailable, RootLost, LimitReached; and BridgeInvalid."""
    value = parse_body(data)
    if "error" in value:
        fields = Fields(value, "error", "v")
        _check_version(fields)
        error = Fields(fields.members("error", at_most=2), "code", "message")
        raise _told(error.text("code"), error.text("message"))
    fields = Fields(value, "result", "v")
    _check_version(fields)
    return fields.members("result", at_most=16)


def _check_version(fields: Fields) -> None:
    if fields.number("v", at_least=VERSION) != VERSION:
        raise BridgeInvalid(f"this is version {VERSION} of the protocol, the other side speaks a later one")


def _told(code: str, message: str) -> Exception:
    if code not in set(Code):
        return BridgeInvalid("no such error code")
    sentence = f"the bridge says: {message}"
    match Code(code):
        case Code.INVALID:
            return BridgeInvalid(f"it takes what this SDK sent for invalid ({message})")
        case Code.UNAVAILABLE:
            return RootUnavailable("ROOT_UNAVAILABLE", sentence)
        case Code.LOST:
            return RootLost("ROOT_LOST", sentence)
        case Code.MAX_USES | Code.NOT_AFTER as limit:
            return LimitReached(limit.value, sentence)
        case _ as other:
            assert_never(other)
