"""What is kept of one event: enough to decide by, and to find out what comes later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hallmark_events.canonical import INTEGER_MAX, Json
from hallmark_events.errors import StateInvalid
from hallmark_events.event_set import EventSet
from hallmark_events.types import StatusValue, is_terminal

_MEMBERS = {"jti", "uri", "revision", "status", "own"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The newest event of one subject. `own`: all members of "hallmark.v1"."""

    jti: str
    uri: str
    revision: int
    status: StatusValue
    own: Mapping[str, Any]

    def to_json(self) -> dict[str, Json]:
        return {
            "jti": self.jti,
            "uri": self.uri,
            "revision": self.revision,
            "status": self.status.name,
            "own": dict(self.own),
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """A restriction that the feed tells no more, or not yet, and the history it was told in."""

    entry: Entry
    epoch: bytes

    def holds_against(self, told: Entry, epoch: bytes) -> bool:
        """Whether what the feed tells of the same subject in `epoch` leaves this restriction in force.

        In one history revisions say what is later. Two histories may have given the same revision twice, so between
        them the time in the jti decides (RFC 9562, section 5.7).
        """
        if told.jti == self.entry.jti or is_terminal(told.status):
            return False
        return is_terminal(self.entry.status) or not is_later(told, epoch, self)


def is_later(entry: Entry, epoch: bytes, than: Kept) -> bool:
    if epoch == than.epoch:
        return entry.revision > than.entry.revision
    return entry.jti > than.entry.jti


def entry_of(event: EventSet) -> Entry:
    return Entry(jti=event.jti, uri=event.uri, revision=event.revision, status=event.status, own=event.own)


def parse_entry(value: Any) -> Entry:
    """From parsed JSON. Raises StateInvalid."""
    match value:
        case {"jti": str(jti), "uri": str(uri), "revision": int(revision), "status": str(status), "own": dict(own)} if (
            value.keys() == _MEMBERS
            and type(revision) is int
            and 1 <= revision <= INTEGER_MAX
            and status in StatusValue.__members__
        ):
            return Entry(jti=jti, uri=uri, revision=revision, status=StatusValue[status], own=own)
        case _:
            raise StateInvalid("an entry of the stored state is damaged: begin with a full transfer")
