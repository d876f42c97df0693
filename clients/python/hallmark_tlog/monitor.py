"""Following a log: every new checkpoint must extend the last one, be fresh, and be the same for everybody.

A monitor looks at one or more places that serve the same log (the log and its mirrors), compares what they show, and
audits what is new since its own last state. It keeps no clock and no files: `look(now)` says what it found, and whoever
calls it stores `state` and shouts.

What it finds wrong is an Alarm. What it cannot reach is not: a log that stays away becomes stale. Nor is an earlier
checkpoint that a cache or a replica still serves for a while, if it is proved to be one (`lag`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hallmark_tlog.acceptance import Accept
from hallmark_tlog.audit import Audit, AuditReport, Keep, Progress
from hallmark_tlog.audit_state import AuditState
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.consistency import check_extends, check_not_behind
from hallmark_tlog.errors import (
    FetchError,
    ForkError,
    MissingResource,
    OriginMismatch,
    RollbackError,
    SignatureError,
    TlogError,
)
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.fork_evidence import ForkEvidence, SeenNote, collect_evidence
from hallmark_tlog.lag import lags
from hallmark_tlog.reader import TileReader
from hallmark_tlog.rebuild import OnEntry
from hallmark_tlog.tiles import CHECKPOINT_PATH
from hallmark_tlog.verify import VerifiedCheckpoint

OWN_MEMORY = "the monitor's own state"

_LAG_SECONDS = 3600.0
"""How old the signatures of a place that lags may be where no age is set."""
_CLOCK_SKEW_SECONDS = 300
"""A time that is further ahead would be fresh for ever, whatever the log hides."""


class AlarmKind(Enum):
    FORK = "FORK"
    """Two signed checkpoints contradict each other."""
    ROLLBACK = "ROLLBACK"
    """A smaller tree than was shown before, and not just an earlier checkpoint of it from a place that lags."""
    SIGNATURES = "SIGNATURES"
    """A required signature, or the quorum of witnesses, is missing or wrong."""
    ANOTHER_LOG = "ANOTHER_LOG"
    ALTERED = "ALTERED"
    """Entries, tiles or the checkpoint are malformed, missing, or not what was signed."""
    STALE = "STALE"
    """No signature states a time that is young enough."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the log is served. `name` is for people: a URL or a folder."""

    name: str
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class Alarm:
    """`place` is where it was seen. `evidence` is there for forks and rollbacks: both signed notes."""

    kind: AlarmKind
    place: str
    message: str
    evidence: ForkEvidence | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Behind:
    """`place` shows an earlier checkpoint than was seen before. Nothing is taken back: see `lag`."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `report` is None when there was nothing new, or when it could not be verified."""

    report: AuditReport | None
    alarms: tuple[Alarm, ...]
    unreachable: tuple[Unreachable, ...]
    behind: tuple[Behind, ...]


@dataclass(frozen=True, slots=True)
class _View:
    place: Place
    note: bytes
    opened: VerifiedCheckpoint

    @property
    def checkpoint(self) -> Checkpoint:
        return self.opened.checkpoint

    @property
    def seen(self) -> SeenNote:
        return SeenNote(self.place.name, self.note)


class Monitor:
    """Not thread-safe."""

    def __init__(
        self,
        places: Sequence[Place],
        accept: Accept,
        *,
        state: AuditState | None = None,
        max_age_seconds: float | None = None,
        connections: int = 1,
    ) -> None:
        """`state`: what an earlier monitor or audit kept; None begins with the whole log."""
        self.state = state
        self._places = places
        self._accept = accept
        self._max_age_seconds = max_age_seconds
        self._connections = connections
        self._last: dict[str, _View] = {}
        """The newest view of each place."""

    def look(
        self, now: float, *, on_entry: OnEntry | None = None, keep: Keep | None = None, progress: Progress | None = None
    ) -> Look:
        """`now`: POSIX seconds. Sets `state` when the newest checkpoint holds. Raises only for a state that is bad."""
        found = _Findings()
        views = [view for place in self._places if (view := self._view(place, found)) is not None]
        newest = max(views, key=lambda view: view.checkpoint.size, default=None)
        for view in views:
            self._compare(view, newest, found, now)
        report = None
        if newest is not None and self._is_news(newest, found, now):
            audit = Audit(
                fetch=newest.place.fetch,
                accept=self._accept,
                start=self.state,
                on_entry=on_entry,
                keep=keep,
                progress=progress,
                connections=self._connections,
            )
            report = self._audit(audit, newest, found)
        self._check_age(now, views, found)
        return Look(report, tuple(found.alarms), tuple(found.unreachable), tuple(found.behind.values()))

    def _view(self, place: Place, found: "_Findings") -> _View | None:
        try:
            note = place.fetch(CHECKPOINT_PATH)
            return _View(place, note, self._accept(note))
        except TlogError as error:
            found.add(error, place.name)
            return None

    def _is_news(self, newest: _View, found: "_Findings", now: float) -> bool:
        """Whether there is something to audit: a checkpoint to go on to, or to refuse."""
        if self.state is None:
            return True
        if self._is_behind(newest, self._accept(self.state.note), found, now):
            return False
        return newest.note != self.state.note or not self._is_finished()

    def _is_behind(self, view: _View, before: VerifiedCheckpoint, found: "_Findings", now: float) -> bool:
        youngest = now - (self._max_age_seconds or _LAG_SECONDS)
        if not lags(view.opened, before, youngest=youngest, fetch=view.place.fetch):
            return False
        message = f"shows size {view.checkpoint.size}, an earlier checkpoint than that of size {before.checkpoint.size}"
        found.behind[view.place.name] = Behind(view.place.name, message)
        return True

    def _compare(self, view: _View, newest: _View | None, found: "_Findings", now: float) -> None:
        """With what this place showed before, and with the place that is furthest now."""
        before = self._last.get(view.place.name)
        # A place alone is compared with the state.
        if before is not None and len(self._places) > 1 and not self._is_behind(view, before.opened, found, now):
            try:
                check_not_behind(before.checkpoint, view.checkpoint)
            except TlogError as error:
                found.add(error, view.place.name, self._evidence(before.seen, view))
        if before is None or before.checkpoint.size <= view.checkpoint.size:
            self._last[view.place.name] = view
        if newest is None or newest is view:
            return
        reader = TileReader(newest.place.fetch, newest.checkpoint.size)
        try:
            check_extends(view.checkpoint, newest.checkpoint, reader.read_hash)
        except ForkError as error:
            message = f"{view.place.name} and {newest.place.name} show different logs: {error}"
            found.add(ForkError(message), newest.place.name, self._evidence(view.seen, newest))
        except TlogError as error:
            found.add(error, newest.place.name)

    def _audit(self, audit: Audit, newest: _View, found: "_Findings") -> AuditReport | None:
        before = self.state
        if before is not None:
            self._accept(before.note)  # a state that this monitor does not accept is no finding about the log
        try:
            report = audit.run(newest.note)
        except (ForkError, RollbackError) as error:
            assert before is not None
            found.add(error, newest.place.name, self._evidence(SeenNote(OWN_MEMORY, before.note), newest))
            return None
        except TlogError as error:
            found.add(error, newest.place.name)
            return None
        self.state = report.state
        return report

    def _evidence(self, before: SeenNote, view: _View) -> ForkEvidence:
        size = max(view.checkpoint.size, self._accept(before.note).checkpoint.size)
        return collect_evidence(before, view.seen, self._accept, TileReader(view.place.fetch, size).read_hash)

    def _is_finished(self) -> bool:
        return self.state is not None and self.state.entries == self._accept(self.state.note).checkpoint.size

    def _check_age(self, now: float, views: Sequence[_View], found: "_Findings") -> None:
        if self._max_age_seconds is None:
            return
        opened = [view.opened for view in views]
        if self.state is not None:
            opened.append(self._accept(self.state.note))
        times = [
            signer.timestamp
            for checkpoint in opened
            for signer in checkpoint.signers
            if signer.timestamp and signer.timestamp <= now + _CLOCK_SKEW_SECONDS
        ]
        if not opened:
            return
        place = self._places[0].name
        if not times:
            found.alarms.append(Alarm(AlarmKind.STALE, place, "no signature states a time that has come"))
        elif (age := now - max(times)) > self._max_age_seconds:
            message = f"the newest signature is {age:.0f} seconds old, {self._max_age_seconds:.0f} are allowed"
            found.alarms.append(Alarm(AlarmKind.STALE, place, message))


class _Findings:
    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self.unreachable: list[Unreachable] = []
        self.behind: dict[str, Behind] = {}

    def add(self, error: TlogError, place: str, evidence: ForkEvidence | None = None) -> None:
        kind = _kind_of(error)
        if kind is None:
            self.unreachable.append(Unreachable(place, str(error)))
        else:
            self.alarms.append(Alarm(kind, place, str(error), evidence))


def _kind_of(error: TlogError) -> AlarmKind | None:
    """None: the place cannot be read now, which says nothing about the log."""
    match error:
        case ForkError():
            return AlarmKind.FORK
        case RollbackError():
            return AlarmKind.ROLLBACK
        case SignatureError():
            return AlarmKind.SIGNATURES
        case OriginMismatch():
            return AlarmKind.ANOTHER_LOG
        case MissingResource(path=path):
            return None if path == CHECKPOINT_PATH else AlarmKind.ALTERED
        case FetchError():
            return None
        case _:
            return AlarmKind.ALTERED
