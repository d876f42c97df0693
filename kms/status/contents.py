"""What a snapshot tells, read in one transaction: the state of the global feed, and the status lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_events.canonical import Json
from hallmark_events.snapshot_files import pack_event
from hallmark_events.state import state_digest
from hallmark_events.status_list import StatusList
from hallmark_events.trust import LogEvidence, Signature
from kms.core.clock import format_time
from kms.events import history
from kms.events.model import GLOBAL, Event, Placed, Position
from kms.status import lists
from kms.status.lists import Change
from kms.status.model import BITS

_EVENTS_MAX: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Contents:
    """`position`: of the global feed. `changes`: what this snapshot is the first to show."""

    position: Position
    events: Sequence[Placed]
    lists: Mapping[int, StatusList]
    changes: Sequence[Change]

    @property
    def digest(self) -> bytes:
        """Of the state, as in the bookmarks of streams."""
        return state_digest({each.event.subject: each.event.id for each in self.events})

    def packed(self, after: int = 0) -> list[Json]:
        """Events after a sequence, sorted by subject: equal states are equal files."""
        chosen = sorted((each.event for each in self.events if each.sequence > after), key=lambda event: event.subject)
        return [packed_event(event) for event in chosen]


def read_contents(tx: Connection, tenant: str, *, entries: int) -> Contents | None:
    """None before the tenant's feeds began."""
    position = history.find_newest(tx, tenant, GLOBAL)
    if position is None:
        return None
    return Contents(
        position=position,
        events=history.state_after(tx, tenant, GLOBAL, 0, limit=_EVENTS_MAX),
        lists={number: read_list(tx, tenant, number, entries) for number in range(lists.list_count(tx, tenant))},
        changes=lists.changes(tx, tenant),
    )


def read_list(tx: Connection, tenant: str, number: int, entries: int) -> StatusList:
    found = StatusList.of_size(entries, BITS)
    for index, status in lists.set_entries(tx, tenant, number).items():
        found[index] = int(status)
    return found


def packed_event(event: Event) -> dict[str, Json]:
    """With its signature and what is known of its log entry; the proof where it was needed."""
    promise, signed = event.promise, event.signature
    log = LogEvidence() if promise is None else LogEvidence(promise.entry, promise.tlog_proof or b"")
    if signed is None:
        return pack_event(event.payload, log=log)
    return pack_event(
        event.payload,
        signature=Signature(key_version=signed.key_version, signature=signed.signature),
        sign_time=format_time(signed.sign_time),
        context=signed.context,
        log=log,
    )
