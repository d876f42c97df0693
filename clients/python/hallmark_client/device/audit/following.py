"""Following a chain from line to line: the one check behind `AuditChain.verify` and the check of an export."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hallmark_client.device.audit.errors import AuditBroken
from hallmark_client.device.audit.record import NO_ENTRIES, AuditAct, AuditEntry, AuditHead, AuditRecord, entry_hash
from hallmark_client.model.result import Result
from hallmark_events.errors import EventsError
from hallmark_events.trust import LogEvidence, LogTrust, check_logged

ANCHORED_EVENT = "device.audit-anchored"
"""Type of the log entry that commits to a head: its details are `size`, and `head` in lower-case hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor(Result):
    """A head that the service wrote into its transparency log, with the proof of that."""

    at: AuditHead
    evidence: LogEvidence

    def check(self, log: LogTrust) -> None:
        """The log entry is in a log that is trusted, and commits to this head. Raises AuditBroken."""
        number, head = self.at.size, self.at.head
        try:
            logged = check_logged(self.evidence, log).entry
        except EventsError as error:
            raise AuditBroken(number, f"the anchor at entry {number} is not proved: {error}") from error
        told = logged.event_type, logged.details.get("size"), logged.details.get("head")
        if told != (ANCHORED_EVENT, number, head.hex()):
            raise AuditBroken(number, f"the log entry of the anchor at entry {number} is about something else")


def follow(start: AuditHead, lines: Iterable[bytes], *, through: Sequence[AuditHead] = ()) -> AuditHead:
    """Recomputes every hash from `start` to the end, which is returned. Raises AuditBroken.

    1. each line is the entry with the next number, and names the hash of the one before
    2. each head of `through` is one that the chain leads to: not before its start, not after its end, not another
    3. a chain that does not start with entry 1 says so itself: an entry "pruned" names its start
    """
    expected: dict[int, bytes] = {}
    for head in through:
        if expected.setdefault(head.size, head.head) != head.head or head.size < start.size:
            raise AuditBroken(head.size, f"the chain does not lead through the head given for entry {head.size}")
    told = start == NO_ENTRIES
    reached = start
    _pass(reached, expected)
    for line in lines:
        number = reached.size + 1
        entry = AuditEntry.parse(line, number)
        if entry.previous != reached.head:
            raise AuditBroken(number, f"entry {number} does not follow the one before it: something was changed")
        reached = AuditHead(size=number, head=entry_hash(line))
        _pass(reached, expected)
        told = told or is_pruned_at(entry.record, start)
    if expected:
        first = min(expected)
        raise AuditBroken(reached.size + 1, f"the chain ends with entry {reached.size}; entry {first} was anchored")
    if not told:
        raise AuditBroken(
            start.size, f"the entries up to {start.size} are missing, and none says that they were dropped"
        )
    return reached


def pruned_facts(start: AuditHead) -> dict[str, str]:
    return {"head": start.head.hex(), "size": str(start.size)}


def is_pruned_at(record: AuditRecord, start: AuditHead) -> bool:
    return record.act is AuditAct.PRUNED and dict(record.facts) == pruned_facts(start)


def _pass(reached: AuditHead, expected: dict[int, bytes]) -> None:
    if expected.pop(reached.size, reached.head) != reached.head:
        raise AuditBroken(reached.size, f"entry {reached.size} is not the one that was anchored")
