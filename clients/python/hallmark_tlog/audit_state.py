"""How far an audit came: what lets the next one go on there instead of beginning anew.

The file, UTF-8, lines end in a newline:

    hallmark-audit-state/v1
    entries <how many of the first entries were held against the tiles>
    <base64 of a peak, 32 bytes>      one line for every bit that is set in `entries`, largest subtree first
                                      an empty line
    <signed checkpoint, verbatim>     verified, and proved to extend every checkpoint the file held before

`entries` is the size of the checkpoint after an audit that came to its end, less after one that was interrupted.

The file is the auditor's own memory. Nothing in it makes a wrong root acceptable: peaks that are not the tree's lead to
another root than the signed one. Who can write it can make the auditor skip entries.
"""

from dataclasses import dataclass

from hallmark_tlog.canonical import MAX_SIZE, decode_decimal, decode_hash, encode_base64
from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import FormatError
from hallmark_tlog.note import MAX_NOTE_BYTES

HEADER = "hallmark-audit-state/v1"
MAX_STATE_BYTES = MAX_NOTE_BYTES + 64 * 64
_MAX_HEAD_LINES = 2 + MAX_SIZE.bit_length()


@dataclass(frozen=True, slots=True)
class AuditState:
    """`peaks` are those of the tree of `entries` leaves (`compact.CompactRange`); `note` is a signed checkpoint."""

    entries: int
    peaks: tuple[bytes, ...]
    note: bytes

    def __post_init__(self) -> None:
        CompactRange(self.entries, self.peaks)  # as many peaks as this size has
        if not 1 <= len(self.note) <= MAX_NOTE_BYTES:
            raise FormatError("an audit state has a signed checkpoint")

    def __bytes__(self) -> bytes:
        lines = [HEADER, f"entries {self.entries}", *map(encode_base64, self.peaks), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note


def parse_audit_state(data: bytes) -> AuditState:
    """Read the file's syntax; the checkpoint stays unread. Raises FormatError."""
    if len(data) > MAX_STATE_BYTES:
        raise FormatError(f"an audit state is larger than {MAX_STATE_BYTES} bytes")
    head, divider, note = data.partition(b"\n\n")
    if not divider or not head.isascii() or head.count(b"\n") >= _MAX_HEAD_LINES:
        raise FormatError("an audit state is a few ASCII lines, an empty line and a signed checkpoint")
    header, *lines = head.decode("ascii").split("\n")
    if header != HEADER:
        raise FormatError(f"an audit state begins with the line {HEADER}")
    if not lines or not lines[0].startswith("entries "):
        raise FormatError("an audit state says how many entries it is about")
    return AuditState(
        entries=decode_decimal(lines[0].removeprefix("entries "), what="the entries of an audit state"),
        peaks=tuple(decode_hash(line, what="a peak") for line in lines[1:]),
        note=note,
    )
