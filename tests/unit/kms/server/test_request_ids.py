"""Ids that callers send: bounded, of safe characters, and never more than a note."""

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.core.call import Channel
from kms.server import audit
from kms.server.audit import Entry
from kms.server.request_ids import note_ids

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def entry() -> Entry:
    return Entry("call", "/a/B", Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768"), NOW, time.perf_counter())


def test_both_are_noted_and_the_first_counts() -> None:
    made = entry()
    note_ids(made, (("user-agent", "x"), ("x-request-id", "req-1"), ("traceparent", PARENT), ("x-request-id", "req-2")))
    assert (made.request_id, made.traceparent) == ("req-1", PARENT)


@pytest.mark.parametrize("bad", ["", "a" * 129, 'a"b', "a b", "a\nb", "a\\", "ä", b"bytes", "{}"])
def test_what_does_not_fit_is_left_out(bad: str | bytes) -> None:
    made = entry()
    note_ids(made, (("x-request-id", bad),))
    assert made.request_id == ""


def test_none_is_none() -> None:
    made = entry()
    note_ids(made, None)
    assert (made.request_id, made.traceparent) == ("", "")


@given(st.one_of(st.text(), st.binary()), st.one_of(st.text(), st.binary()))
def test_nothing_raises_and_the_line_stays_json(request_id: str | bytes, parent: str | bytes) -> None:
    made = entry()
    note_ids(made, (("x-request-id", request_id), ("traceparent", parent)))
    assert len(made.request_id) <= 128
    assert len(made.traceparent) <= 55
    made.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    line = json.loads(audit._line(made, "OK", "", 1.0))
    assert (line["request_id"], line["trace_id"]) == (made.request_id, made.trace_id)
