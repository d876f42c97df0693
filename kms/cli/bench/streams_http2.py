"""As much of HTTP/2 (RFC 9113) and gRPC as a subscriber of one server stream needs, and no more.

A load generator must cost less than what it measures. A library for all of HTTP/2 (h2 4.x, measured on the machine of
this benchmark) takes 81 us to open a connection, 16 us for each event and 15 KiB for each connection; this takes about
a quarter of the time. It is no client: it trusts the server's frames, as both ends stand on one machine.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Final

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _PADDED = 0x1, 0x1, 0x8
_END_HEADERS: Final = 0x4
_HEADER: Final = struct.Struct(">IBI")  # length << 8 | type, flags, stream
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_INITIAL_WINDOW_SIZE: Final = 4
_WINDOW_MAX: Final = 2**31 - 1
"""Of the stream and of the connection: more than any run receives, so that none has to be given again."""
_WINDOW_DEFAULT: Final = 65_535
_STREAM: Final = 1


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113, section 4.1."""
    return _HEADER.pack(len(payload) << 8 | kind, flags, stream) + payload


def opening(*, scheme: str, authority: str, path: str, message: bytes) -> bytes:
    """Everything a client says: preface, settings, windows, one request and its end. The caller sends it at once.

    Header fields are literals that enter no table (RFC 7541, section 6.2.2), shorter than 127 bytes each.
    """
    fields = (
        (":method", "POST"),
        (":scheme", scheme),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    block = b"".join(b"\0" + _literal(name) + _literal(value) for name, value in fields)
    return (
        _PREFACE
        + frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, _WINDOW_MAX))
        + frame(8, 0, 0, struct.pack(">I", _WINDOW_MAX - _WINDOW_DEFAULT))
        + frame(_HEADERS, _END_HEADERS, _STREAM, block)
        + frame(_DATA, _END_STREAM, _STREAM, struct.pack(">BI", 0, len(message)) + message)
    )


def _literal(text: str) -> bytes:
    encoded = text.encode("ascii")
    if len(encoded) >= 127:
        raise ValueError(f"{text!r} is longer than a header field may be here")
    return bytes([len(encoded)]) + encoded


class Connection:
    """The receiving side of one connection with one stream."""

    __slots__ = ("_answer", "_body", "_frames", "_message", "ended")

    def __init__(self, *, answer: Callable[[bytes], None], message: Callable[[bytes], None]) -> None:
        """`answer` gets bytes for the server, `message` each message of the stream."""
        self._answer = answer
        self._message = message
        self._frames = b""
        self._body = b""
        self.ended = False
        """By the server: trailers, a reset of the stream, or GOAWAY."""

    def receive(self, data: bytes) -> None:
        if self._frames:
            data = self._frames + data
        at, end = 0, len(data)
        while end - at >= _HEADER.size:
            head, flags, _ = _HEADER.unpack_from(data, at)
            after = at + _HEADER.size + (head >> 8)
            if after > end:
                break
            self._frame(head & 0xFF, flags, data[at + _HEADER.size : after])
            at = after
        self._frames = data[at:]

    def _frame(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _DATA:
            if flags & _PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            self._messages(payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self._answer(frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._answer(frame(_PING, _ACK, 0, payload))
        if kind in {_RST_STREAM, _GOAWAY} or (kind in {_DATA, _HEADERS} and flags & _END_STREAM):
            self.ended = True

    def _messages(self, payload: bytes) -> None:
        """Length-prefixed messages (gRPC over HTTP/2), which end where they like."""
        body = self._body + payload if self._body else payload
        at, end = 0, len(body)
        while end - at >= 5 and (after := at + 5 + int.from_bytes(body[at + 1 : at + 5], "big")) <= end:
            self._message(body[at + 5 : after])
            at = after
        self._body = body[at:]


def fields_of(message: bytes) -> Sequence[tuple[int, int, int, int]]:
    """(number, value, start, end) of a message's outermost fields: varints have a value, the others a place.

    Raises ValueError for wire types other than those two, which the messages of this benchmark do not have.
    """
    found = []
    at, end = 0, len(message)
    while at < end:
        tag, at = message[at], at + 1
        value, shift = 0, 0
        while True:
            byte, at = message[at], at + 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if tag & 7 == 0:
            found.append((tag >> 3, value, at, at))
        elif tag & 7 == 2:
            found.append((tag >> 3, 0, at, at + value))
            at += value
        else:
            raise ValueError(f"wire type {tag & 7}")
    return found
