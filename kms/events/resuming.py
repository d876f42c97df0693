"""Where a reader goes on: nothing new, what changed, or everything.

Everything (a full transfer) is the answer to every doubt: a cursor that is missing, not ours, too old, of another
history, or a reader whose state is not what the feed says there.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from kms.events.model import Position

CHANGES_MAX: Final = 10_000
"""Who missed more changed subjects than this is sent everything: a cursor so old is not worth a longer answer."""


class Transfer(Enum):
    """What follows until the next bookmark (hallmark.v1.WatchEventsResponse.Intent)."""

    NONE = "none"
    CHANGES = "changes"
    FULL = "full"


class Why(StrEnum):
    """Why more is sent than the reader asked for."""

    NOTHING = ""
    CURSOR_MISSING = "CURSOR_MISSING"
    CURSOR_INVALID = "CURSOR_INVALID"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    CURSOR_EPOCH = "CURSOR_EPOCH"
    STATE_DIFFERS = "STATE_DIFFERS"
    OVERRUN = "OVERRUN"


@dataclass(frozen=True, slots=True)
class Start:
    """Where a reader stands. Without a position it begins, for the reason `why`.

    `digest`: SHA-256 of the state it holds, or empty. `amid_full`: in the middle of a full transfer.
    """

    tenant: str
    feed: str
    position: Position | None = None
    why: Why = Why.CURSOR_MISSING
    digest: bytes = b""
    amid_full: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says of the feed: its history and its end, and of the reader's position the anchor there.

    `digest`: of the state at the end. `changed`: subjects that changed after a sequence, counted up to CHANGES_MAX + 1.
    """

    epoch: bytes
    end: int
    anchor: bytes | None
    digest: Callable[[], bytes]
    changed: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Resumption:
    """`after`: the sequence from which events are sent. `goes_on`: a full transfer that was begun before."""

    transfer: Transfer
    why: Why
    after: int
    goes_on: bool = False


class HistoryLost(Exception):
    """The server gave out a position that its history does not have: events were lost, a new history must begin."""


def resume(start: Start, facts: Facts) -> Resumption:
    """Raises HistoryLost."""
    position = start.position
    if position is None:
        return _everything(start.why)
    if position.epoch != facts.epoch:
        return _everything(Why.CURSOR_EPOCH)
    if position.sequence > facts.end or not _same(position, facts.anchor):
        raise HistoryLost
    if start.amid_full and position.sequence == 0:
        return _everything(Why.CURSOR_MISSING)
    if start.amid_full:
        return Resumption(Transfer.FULL, Why.NOTHING, position.sequence, goes_on=True)
    if position.sequence > 0 and facts.anchor is None:
        return _everything(Why.CURSOR_EXPIRED)  # the event it stands at was cleaned away
    if position.sequence == facts.end:
        if start.digest and not hmac.compare_digest(start.digest, facts.digest()):
            return _everything(Why.STATE_DIFFERS)
        return Resumption(Transfer.NONE, Why.NOTHING, position.sequence)
    if facts.end - position.sequence > CHANGES_MAX and facts.changed(position.sequence) > CHANGES_MAX:
        return _everything(Why.CURSOR_EXPIRED)
    return Resumption(Transfer.CHANGES, Why.NOTHING, position.sequence)


def _everything(why: Why) -> Resumption:
    return Resumption(Transfer.FULL, why, 0)


def _same(position: Position, anchor: bytes | None) -> bool:
    return position.sequence == 0 or anchor is None or hmac.compare_digest(position.anchor, anchor)
