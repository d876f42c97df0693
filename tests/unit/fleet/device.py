"""One device of the fleet: what hallmark_events decides on it, with a network that loses things and a clock that lies.

Times are hours since the test began, as they truly are; only `Clocks` is what the device sees of them.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from hallmark_events.errors import StateDiffers
from hallmark_events.event_set import EventSet
from hallmark_events.lease import Allowed, Decision, Lease, Shred, decide, standing_of
from hallmark_events.state import FeedState
from hallmark_events.state_entry import Entry
from hallmark_events.trusted_time import Clocks, TrustedTime
from hallmark_events.types import DELETION_REQUESTED, LEASE_GRANTED
from kms.core.names import ChildName
from support.clock import START
from unit.fleet.service import FeedEnd

HEARTBEAT_LATE_SECONDS = 2.0
"""At most, on its way: what a device's trusted time is behind."""
RTC_WRONG_SECONDS = 2.0
"""At most, of a real-time clock that nobody has touched."""
STORED_EVERY_HOURS = 5 / 60
LOST, DOUBLED, DELAYED, CUT_OFF = 0.05, 0.05, 0.1, 0.15


def moment(hours: float) -> datetime:
    return START + timedelta(hours=hours)


class Rtc(Enum):
    """What has become of the real-time clock."""

    RIGHT = "right"
    RESET = "reset"
    """It forgets the time when the device is off: then it begins in the year 2020."""
    WOUND_BACK = "wound back"
    """By three days, while the device runs."""
    FAST = "fast"
    """By an hour."""


@dataclass(frozen=True, slots=True)
class Habits:
    """`away`: without network, from .. until. `off`: without power. None: never."""

    away: tuple[float, float] | None = None
    off: tuple[float, float] | None = None
    rtc: Rtc = Rtc.RIGHT
    wound_at: float = 0.0
    gives_receipts: bool = True

    def has_power(self, at: float) -> bool:
        return self.off is None or not self.off[0] <= at < self.off[1]

    def has_network(self, at: float) -> bool:
        return self.has_power(at) and (self.away is None or not self.away[0] <= at < self.away[1])


@dataclass(slots=True)
class Device:
    """`waiting`: events on their way to it, and when they arrive. `obeyed`: commands that wait for their receipt."""

    name: ChildName
    habits: Habits
    random: random.Random
    state: FeedState = field(default_factory=FeedState)
    trusted: TrustedTime = field(default_factory=TrustedTime)
    waiting: list[tuple[float, EventSet]] = field(default_factory=list)
    is_whole: bool = False
    """A full transfer was committed once."""
    heard_at: float = -1.0
    """When it last knew that nothing is missing."""
    shredded: set[str] = field(default_factory=set)
    obeyed: list[EventSet] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    """Jti of commands that it has seen, and written down."""
    _boot: int = 0
    _leases: dict[str, tuple[str, Lease]] = field(default_factory=dict)

    def clocks(self, at: float) -> Clocks:
        off = self.habits.off
        began = 0.0 if off is None or at < off[1] else off[1]
        return Clocks(boot_id=f"boot-{int(began > 0)}", boot=timedelta(hours=at - began), rtc=self._rtc(at, began))

    def send(self, at: float, event: EventSet) -> None:
        """Something for it leaves the server: lost, delayed by hours, twice, or as it should be."""
        if self.random.random() < LOST:
            return
        for _ in range(1 + (self.random.random() < DOUBLED)):
            late = self.random.uniform(0, 6) if self.random.random() < DELAYED else 0.0
            self.waiting.append((at + late, event))

    def boot(self, at: float) -> None:
        """Called whenever it is looked at. After a power cut it has what it stored, up to five minutes before."""
        off = self.habits.off
        if off is None or self._boot or at < off[1]:
            return
        self._boot = 1
        stored_at = max(0.0, off[0] - self.random.uniform(0, STORED_EVERY_HOURS))
        if self.trusted.at(self.clocks(stored_at)).proven <= moment(stored_at):
            self.trusted = self.trusted.ticked(self.clocks(stored_at))
        self.trusted = TrustedTime.from_json(self.trusted.to_json())
        self.state = FeedState.from_json(self.state.to_json())

    def meet(self, at: float, end: FeedEnd) -> bool:
        """Online for a moment: what has arrived, the bookmark, a heartbeat. False: the state differs, `transfer` it."""
        self.boot(at)
        arrived = [event for due, event in self.waiting if due <= at]
        self.waiting = [(due, event) for due, event in self.waiting if due > at]
        self.random.shuffle(arrived)
        for event in arrived:
            self._apply(event)
        if not self.is_whole:
            return False
        try:
            self.state.bookmark(sequence=end.sequence, digest=end.digest)
        except StateDiffers:
            return False
        self._heard(at)
        return True

    def transfer(self, at: float, end: FeedEnd, told: Sequence[EventSet]) -> None:
        """All that holds, unless the connection breaks on the way: then half of it, and neither bookmark nor time."""
        is_cut = self.random.random() < CUT_OFF
        self.state.begin_full(end.epoch)
        for event in told[: len(told) // 2] if is_cut else told:
            self._apply(event)
        if is_cut:
            return
        self.state.commit_full(sequence=end.sequence, digest=end.digest)
        self.is_whole = True
        self._heard(at)

    def decisions(self, at: float) -> Iterator[tuple[Lease, Decision]]:
        """What its leases allow now. It obeys: what is to be shredded never comes back."""
        if not self.habits.has_power(at):
            return
        self.boot(at)
        clocks = self.clocks(at)
        for name in list(self.state.subjects()):
            entry = self.state.get(name)
            if entry is None or entry.uri != LEASE_GRANTED:
                continue
            lease = self._lease(name, entry)
            decision = decide(lease, self.trusted, clocks, standing_of(lease, self.state))
            if isinstance(decision, Shred):
                self.shredded.add(name)
            yield lease, decision

    def usable(self, at: float) -> set[str]:
        """Names of the leases by which something can be used."""
        return {
            lease.lease
            for lease, decision in self.decisions(at)
            if isinstance(decision, Allowed) and lease.lease not in self.shredded
        }

    def take_commands(self) -> list[EventSet]:
        """Deletion commands that were carried out, each once."""
        found, self.obeyed = self.obeyed, []
        return found

    def _apply(self, event: EventSet) -> None:
        self.state.apply(event)
        if event.uri == DELETION_REQUESTED and event.jti not in self.known:
            self.known.add(event.jti)
            self.obeyed.append(event)

    def _heard(self, at: float) -> None:
        late = timedelta(seconds=self.random.uniform(0, HEARTBEAT_LATE_SECONDS))
        self.heard_at = at
        self.trusted = self.trusted.heard(moment(at) - late, self.clocks(at))

    def _rtc(self, at: float, began: float) -> datetime:
        wrong = int.from_bytes(hashlib.sha256(self.name.id.encode()).digest()[:4], "big") / 2**32 * 2 - 1
        truth = moment(at) + timedelta(seconds=wrong * RTC_WRONG_SECONDS)
        match self.habits.rtc:
            case Rtc.RESET if began > 0:
                return datetime(2020, 1, 1, tzinfo=truth.tzinfo) + timedelta(hours=at - began)
            case Rtc.WOUND_BACK if at >= self.habits.wound_at:
                return truth - timedelta(days=3)
            case Rtc.FAST:
                return truth + timedelta(hours=1)
            case _:
                return truth

    def _lease(self, name: str, entry: Entry) -> Lease:
        known = self._leases.get(name)
        if known is None or known[0] != entry.jti:
            known = self._leases[name] = entry.jti, Lease.from_event(entry)
        return known[1]
