"""The frames of the benchmark's subscriber, by the examples and layouts of RFC 9113."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.v1 import events_pb2
from kms.cli.bench.streams_http2 import Connection, fields_of, frame, opening


class Ends:
    """A connection, and what came out of it."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.messages: list[bytes] = []
        self.connection = Connection(answer=self.answers.append, message=self.messages.append)


def message_of(content: bytes) -> bytes:
    return struct.pack(">BI", 0, len(content)) + content


def test_what_a_client_says_first() -> None:
    said = opening(scheme="http", authority="a:1", path="/s/M", message=b"body")
    assert said.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\x06\x04\0\0\0\0\0")
    assert b"\0\x05:path\x04/s/M" in said
    assert said.endswith(b"\0\0\x09\0\x01\0\0\0\x01" + b"\0\0\0\0\x04body")
    with pytest.raises(ValueError, match="longer"):
        opening(scheme="http", authority="a" * 127, path="/s/M", message=b"")


@given(contents=st.lists(st.binary(max_size=300), max_size=8), cut=st.integers(1, 64), size=st.integers(1, 100))
def test_messages_come_through_however_they_are_cut(contents: list[bytes], cut: int, size: int) -> None:
    """`size`: of DATA frames, which need not end where messages do; `cut`: of what the network delivers."""
    ends = Ends()
    body = b"".join(map(message_of, contents))
    sent = b"".join(frame(0, 0, 1, body[at : at + size]) for at in range(0, len(body), size))
    for at in range(0, len(sent), cut):
        ends.connection.receive(sent[at : at + cut])
    assert ends.messages == contents
    assert not ends.connection.ended


def test_padding_is_no_message() -> None:
    ends = Ends()
    ends.connection.receive(frame(0, 0x8, 1, b"\x03" + message_of(b"x") + b"pad"))
    assert ends.messages == [b"x"]


def test_settings_and_pings_are_answered_once() -> None:
    ends = Ends()
    ends.connection.receive(frame(4, 0, 0, b"") + frame(6, 0, 0, b"12345678"))
    ends.connection.receive(frame(4, 1, 0, b"") + frame(6, 1, 0, b"12345678"))
    assert ends.answers == [frame(4, 1, 0, b""), frame(6, 1, 0, b"12345678")]


@pytest.mark.parametrize(
    ("kind", "flags", "ends_it"),
    [(1, 0x4, False), (1, 0x5, True), (3, 0, True), (7, 0, True), (0, 1, True), (8, 0, False)],
)
def test_trailers_resets_and_goaway_end_a_stream(kind: int, flags: int, ends_it: bool) -> None:
    ends = Ends()
    ends.connection.receive(frame(kind, flags, 1, b""))
    assert ends.connection.ended == ends_it


def test_the_fields_of_a_frame() -> None:
    event = events_pb2.Event(set=b"x" * 300)
    message = events_pb2.WatchEventsResponse(feed=events_pb2.FEED_DEVICE, event=event, cursor="c")
    raw = message.SerializeToString()
    feed, sent, cursor = fields_of(raw)
    assert feed[:2] == (1, events_pb2.FEED_DEVICE)
    assert (sent[0], raw[sent[2] : sent[3]]) == (3, event.SerializeToString())
    assert (cursor[0], raw[cursor[2] : cursor[3]]) == (7, b"c")
    with pytest.raises(ValueError, match="wire type"):
        fields_of(b"\x0d\0\0\0\0")
