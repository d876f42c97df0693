import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hallmark_tlog.entry import commitment_text, commitment_to, parse_entry, verify_opening
from hallmark_tlog.errors import CommitmentError, FormatError, UnknownEntryVersion

SALT = bytes(range(32))
COMMITMENT = commitment_to("name", "Ada", SALT)
GOOD: dict[str, Any] = {
    "commitments": {"name": commitment_text(COMMITMENT)},
    "details": {"facts": {"a": "é"}, "n": [1, None, True]},
    "id": "k1",
    "subject": "models/1",
    "tenant": "default",
    "time": "2026-11-21T12:00:00.000005Z",
    "type": "com.example.made",
    "v": 1,
}


def canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_an_entry_is_read() -> None:
    entry = parse_entry(canonical(GOOD))
    assert entry.time == datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC)
    assert (entry.event_key, entry.event_type, entry.tenant, entry.subject) == (
        "k1",
        "com.example.made",
        "default",
        "models/1",
    )
    assert entry.details == {"facts": {"a": "é"}, "n": [1, None, True]}
    assert entry.commitments == {"name": COMMITMENT}


def test_without_commitments_the_member_is_left_out() -> None:
    document = {name: value for name, value in GOOD.items() if name != "commitments"}
    assert parse_entry(canonical(document)).commitments == {}


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"id": 1},
        {"details": []},
        {"v": True},
        {"v": "1"},
        {"v": 0},
        {"details": {"é": 1}},
        {"details": {"n": 2**53 + 1}},
        {"details": {"n": 1.5}},
        {"time": "2026-11-21T12:00:00Z"},
        {"time": "2026-13-21T12:00:00.000000Z"},
        {"time": "2026-11-21T12:00:00.000000+00:00"},
        {"time": "２026-11-21T12:00:00.000000Z"},
        {"commitments": {}},
        {"commitments": {"name": "A" * 42}},
        {"commitments": {"name": "A" * 42 + "B"}},
        {"commitments": {"name": 7}},
        {"commitments": {"": "A" * 43}},
        {"commitments": ["A" * 43]},
    ],
    ids=str,
)
def test_any_other_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        parse_entry(canonical({**GOOD, **change}))


@pytest.mark.parametrize("missing", ["details", "id", "subject", "tenant", "time", "type", "v"])
def test_nothing_may_be_missing(missing: str) -> None:
    with pytest.raises(FormatError):
        parse_entry(canonical({name: value for name, value in GOOD.items() if name != missing}))


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(GOOD, sort_keys=True, ensure_ascii=False).encode(),
        json.dumps(GOOD, separators=(",", ":"), sort_keys=True).encode(),
        canonical(GOOD) + b"\n",
        canonical(GOOD).replace(b'"v":1', b'"v":1,"v":1'),
        canonical(GOOD).replace(b'"v":1', b'"v":-0'),
        canonical(GOOD)[:-1],
        b"",
        b"[]",
        b"7",
        b"\xff",
        b'"' + b"a" * 70_000 + b'"',
        b"[" * 60_000,
    ],
    ids=[
        "spaces",
        "escapes",
        "newline",
        "twice",
        "minus zero",
        "cut off",
        "empty",
        "list",
        "number",
        "not utf-8",
        "too long",
        "too deep",
    ],
)
def test_there_is_one_spelling(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_entry(data)


def test_a_later_version_is_told_apart() -> None:
    with pytest.raises(UnknownEntryVersion) as refused:
        parse_entry(canonical({**GOOD, "v": 2, "new": {}}))
    assert refused.value.version == 2


def test_a_commitment_is_the_hmac_that_auditors_are_told() -> None:
    """The same by hand: RFC 2104 over name || 0x00 || value."""
    import hashlib

    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in SALT + bytes(32)) + b"name\0Ada").digest()
    assert hashlib.sha256(bytes(byte ^ 0x5C for byte in SALT + bytes(32)) + inner).digest() == COMMITMENT


def test_an_opening_is_proved() -> None:
    opened = verify_opening(parse_entry(canonical(GOOD)), "name", "Ada", SALT)
    assert (opened.name, opened.value) == ("name", "Ada")


@pytest.mark.parametrize(
    ("name", "value", "salt"),
    [("name", "Eve", SALT), ("name", "Ada", bytes(32)), ("other", "Ada", SALT), ("name", "Ada", b""), ("n", "", SALT)],
)
def test_another_value_or_salt_is_refused(name: str, value: str, salt: bytes) -> None:
    with pytest.raises(CommitmentError):
        verify_opening(parse_entry(canonical(GOOD)), name, value, salt)


def test_name_and_value_are_kept_apart() -> None:
    assert commitment_to("ab", "c", SALT) != commitment_to("a", "bc", SALT)
    with pytest.raises(ValueError, match="NUL"):
        commitment_to("a\0b", "c", SALT)
