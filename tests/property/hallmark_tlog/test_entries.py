"""Entries and receipt keys: any bytes at all raise the packages' own error, and what is read is spelled one way."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hallmark_tlog.cose_keys import parse_key, parse_key_set
from hallmark_tlog.entry import parse_entry
from hallmark_tlog.errors import FormatError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_MEMBERS = st.fixed_dictionaries(
    {
        "details": st.dictionaries(st.text(max_size=4), _JSON, max_size=3),
        "id": st.text(max_size=5),
        "subject": st.text(max_size=5),
        "tenant": st.text(max_size=5),
        "time": st.just("2026-11-21T12:00:00.000005Z") | st.text(max_size=30),
        "type": st.text(max_size=5),
        "v": st.just(1) | _JSON,
    },
    optional={"commitments": _JSON | st.dictionaries(st.text(max_size=3), st.text("AQgw", min_size=43, max_size=43))},
)


@given(st.binary(max_size=200) | _MEMBERS.map(lambda members: json.dumps(members, sort_keys=True).encode()))
def test_any_bytes_are_an_entry_or_a_typed_refusal(data: bytes) -> None:
    try:
        entry = parse_entry(data)
    except FormatError:
        return
    assert json.loads(data)["id"] == entry.event_key


@given(_MEMBERS)
def test_canonical_ones_are_read_or_refused_and_never_read_otherwise(members: dict[str, object]) -> None:
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    try:
        entry = parse_entry(data)
    except FormatError:
        return
    assert entry.details == members["details"]
    assert len(entry.commitments) == len(members.get("commitments", {}))  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_any_bytes_are_keys_or_a_typed_refusal(data: bytes) -> None:
    for parse in (parse_key, parse_key_set):
        try:
            parse(data)
        except FormatError:
            continue
        raise AssertionError("no random bytes hold a key with its thumbprint")
