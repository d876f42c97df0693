"""Entries of a succession: any bytes at all raise the packages' own error."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hallmark_tlog.errors import SuccessionError
from hallmark_tlog.succession import CLOSED, OPENED, parse_closing, parse_opening

_VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=60) | st.lists(st.text(max_size=40), max_size=3)
_DETAILS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("predecessor", "predecessor_root", "predecessor_size", "predecessor_vkeys", "successor", "successor_vkeys"),
        _VALUE,
    ),
)


@st.composite
def _entries(draw: st.DrawFn) -> bytes:
    members: dict[str, Any] = {
        "details": draw(_DETAILS),
        "id": "i",
        "subject": "log",
        "tenant": "system",
        "time": "2026-11-21T12:00:00.000000Z",
        "type": draw(st.sampled_from([CLOSED, OPENED, "log.other"])),
        "v": 1,
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


@given(st.binary(max_size=300) | _entries())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_closing, parse_opening):
        try:
            parse(data)
        except SuccessionError:
            continue
        raise AssertionError("a key was made up")
