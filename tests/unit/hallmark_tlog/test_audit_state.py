import pytest

from hallmark_tlog.audit_state import HEADER, MAX_STATE_BYTES, AuditState, parse_audit_state
from hallmark_tlog.errors import FormatError
from unit.hallmark_tlog.virtual_log import VirtualLog

NOTE = VirtualLog.of_size(5).files["checkpoint"]
STATE = AuditState(5, (bytes(32), b"\x01" * 32), NOTE)


def test_it_reads_what_it_writes() -> None:
    assert parse_audit_state(bytes(STATE)) == STATE
    assert bytes(STATE).startswith(f"{HEADER}\nentries 5\n".encode())
    assert bytes(STATE).endswith(NOTE)


def test_an_empty_tree_has_no_peaks() -> None:
    state = AuditState(0, (), NOTE)
    assert parse_audit_state(bytes(state)) == state


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hallmark-audit-state/v2" + bytes(STATE)[len(HEADER) :],
        bytes(STATE).replace(b"entries 5", b"entries 05"),
        bytes(STATE).replace(b"entries 5", b"entries 7"),
        bytes(STATE).replace(b"entries 5\n", b""),
        bytes(STATE).replace(b"AAAA=", b"AAAB=", 1),
        bytes(STATE).partition(b"\n\n")[0] + b"\n\n",
        bytes(STATE).replace(b"\n", b"\r\n"),
        bytes(STATE) + bytes(MAX_STATE_BYTES),
        HEADER.encode() + b"\nentries 5\n" + b"A\n" * 100 + b"\n" + NOTE,
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_audit_state(data)
