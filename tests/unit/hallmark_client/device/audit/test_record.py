from datetime import UTC, datetime
from hashlib import sha256

import pytest

from hallmark_client.device.audit import AuditAct, AuditBroken, AuditEntry, AuditHead, AuditOutcome, AuditRecord
from hallmark_client.device.audit.record import FACTS_MAX, LINE_BYTES_MAX, TEXT_MAX, entry_hash
from unit.hallmark_client.device.audit.audit_world import record

LINE = (
    b'{"act":"denied","artifact":"0123456789abcdef0123456789abcdef","boot":42,"caller":"com.example.app",'
    b'"clause":"callers","facts":{"bytes":"7"},"name":"assistant/base","number":3,"outcome":"denied","previous":'
    b'"0707070707070707070707070707070707070707070707070707070707070707","time":"2026-11-22T10:00:00.000000Z",'
    b'"v":1,"version":2}'
)
ENTRY = AuditEntry(
    number=3,
    previous=bytes([7]) * 32,
    record=AuditRecord(
        time=datetime(2026, 11, 22, 10, tzinfo=UTC),
        boot_seconds=42,
        act=AuditAct.DENIED,
        outcome=AuditOutcome.DENIED,
        artifact_id="0123456789abcdef" * 2,
        name="assistant/base",
        version=2,
        caller="com.example.app",
        clause="callers",
        facts={"bytes": "7"},
    ),
)


def test_the_line_and_hash_are_as_documented() -> None:
    assert ENTRY.line() == LINE
    assert entry_hash(LINE) == sha256(b"hallmark/device-audit-entry/v1\n" + LINE).digest()


def test_reads_what_it_writes() -> None:
    assert AuditEntry.parse(LINE, 3) == ENTRY


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        LINE + b"\n",
        b" " + LINE,
        LINE.replace(b'"denied"', b'"unheard-of"', 1),
        LINE.replace(b'"boot":42', b'"boot":-1'),
        LINE.replace(b'"boot":42', b'"boot":4.2'),
        LINE.replace(b'"boot":42', b'"boot":true'),
        LINE.replace(b'"v":1', b'"v":2'),
        LINE.replace(b'"v":1', b'"v":true'),
        LINE.replace(b'"number":3', b'"number":4'),
        LINE.replace(b'{"bytes":"7"}', b'{"bytes":7}'),
        LINE.replace(b'{"bytes":"7"}', b'{"BYTES":"7"}'),
        LINE.replace(b'{"bytes":"7"}', b'{"bytes":["7"]}'),
        LINE.replace(b'{"bytes":"7"}', b'"bytes"'),
        LINE.replace(b'"name":"assistant/base"', b'"name":null'),
        LINE.replace(b"assistant/base", b"a" * (TEXT_MAX + 1)),
        LINE.replace(b'"0123456789abcdef', b'"0123456789ABCDEF', 1),
        LINE.replace(b"0707", b"07"),
        LINE.replace(b"000000Z", b"Z"),
        LINE.replace(b'"v":1', b'"v":1,"more":1'),
        LINE.replace(b"assistant", b"\xff"),
        b"[" * 5_000,
        b" " * (LINE_BYTES_MAX + 1),
    ],
)
def test_refuses_any_other_bytes(line: bytes) -> None:
    with pytest.raises(AuditBroken) as caught:
        AuditEntry.parse(line, 3)
    assert caught.value.number == 3
    assert caught.value.reason == "AUDIT_BROKEN"


def test_foreign_names_are_written_down_whatever_they_are() -> None:
    told = record(name="\ud800" + "n" * 1_000, caller="\x00\u202e" * 500, act=AuditAct.DENIED)
    line = AuditEntry(number=1, previous=bytes(32), record=told).line()
    assert AuditEntry.parse(line, 1).record == told
    assert told.name == "?" + "n" * (TEXT_MAX - 1)


@pytest.mark.parametrize(
    "others",
    [
        {"time": datetime(2026, 11, 22)},
        {"boot_seconds": -1},
        {"version": -1},
        {"artifact_id": "0123"},
        {"clause": "c" * 300},
        {"facts": {f"f{number}": "" for number in range(FACTS_MAX + 1)}},
        {"facts": {"Upper": ""}},
        {"facts": {"long": "v" * (TEXT_MAX + 1)}},
    ],
)
def test_a_record_has_bounds(others: dict) -> None:
    with pytest.raises(ValueError):
        record(**others)


@pytest.mark.parametrize(("size", "head"), [(-1, bytes(32)), (1, bytes(31)), (2**54, bytes(32))])
def test_a_head_has_bounds(size: int, head: bytes) -> None:
    with pytest.raises(ValueError):
        AuditHead(size=size, head=head)


def test_the_longest_record_fits_into_a_line() -> None:
    wide = "\x01" * TEXT_MAX  # six bytes each in JSON
    told = record(name=wide, caller=wide, clause=wide, facts={f"f{number}": wide for number in range(FACTS_MAX)})
    line = AuditEntry(number=1, previous=bytes(32), record=told).line()
    assert AuditEntry.parse(line, 1).record == told
