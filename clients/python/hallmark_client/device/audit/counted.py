"""Denials, so that who asks over and over fills no disk: the first of a kind is an entry, the same again is counted.

A kind is who was denied what, and by which clause. Its first denial is written before it is answered. What follows
within a minute is counted, and becomes one entry that says how many it stands for (`repeats`); then within 2, 4, 8 and
16 minutes. Who was denied KINDS_MAX kinds in the last 16 minutes gets all others counted together, under the clause
MORE, without their names. So no denial is left out, and one caller adds about one entry in a minute for good, however
often it asks and whatever names it makes up. A process that is killed loses counts that are not written yet, never the
first of a kind.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from hallmark_client.device.audit.alarm import Alarm
from hallmark_client.device.audit.record import AuditRecord

REPEAT_SECONDS: Final = 60.0
KINDS_MAX: Final = 16
QUIET_SECONDS: Final = KINDS_MAX * REPEAT_SECONDS
"""After this time without the like, a denial is the first of its kind again; also the longest time between entries."""
MORE: Final = "more-denials"
REPEATS: Final = "repeats"

_Kind: TypeAlias = tuple[str, int, str, str]


@dataclass(slots=True)
class _Repeated:
    """count: denials that no entry stands for yet. Times are boot seconds."""

    latest: AuditRecord
    heard_at: float
    due_at: float
    pause: float = REPEAT_SECONDS
    count: int = 0

    def entry(self) -> AuditRecord:
        if self.count == 1:
            return self.latest
        return replace(self.latest, facts={**self.latest.facts, REPEATS: str(self.count)})

    def written(self, now: float) -> None:
        self.count, self.due_at = 0, now + self.pause
        self.pause = min(2 * self.pause, QUIET_SECONDS)


class CountedDenials:
    """lock: the owner's, held for every write: who is answered may rely on what another thread is still writing.
    write: puts a record into the chain, durable when it returns. clock: seconds that only grow.
    """

    def __init__(
        self, lock: AbstractContextManager[object], write: Callable[[AuditRecord], None], clock: Callable[[], float]
    ) -> None:
        self._lock = lock
        self._write = write
        self._clock = clock
        self._callers: dict[str, dict[_Kind, _Repeated]] = {}
        self._alarm = Alarm(self._write_in_time)
        self._alarm_at = 0.0

    def note(self, record: AuditRecord) -> None:
        """Call it before the denial is answered. Raises what `write` raises; it is counted all the same."""
        with self._lock:
            now = self._clock()
            held = self._held(record, now)
            held.count, held.heard_at = held.count + 1, now
            if now >= held.due_at:
                self._put_down(held, now)
            elif not self._alarm.is_set or held.due_at < self._alarm_at:
                self._write_at(held.due_at, now)

    def flush(self) -> None:
        """Writes what is counted, now. Call it when closing, too."""
        with self._lock:
            self._alarm.cancel()
            for held in self._all():
                if held.count:
                    self._put_down(held, self._clock())

    def _held(self, record: AuditRecord, now: float) -> _Repeated:
        if record.caller not in self._callers:
            self._callers = {caller: kinds for caller, kinds in self._callers.items() if _loud(kinds, now)}
        kinds = self._callers[record.caller] = _loud(self._callers.get(record.caller, {}), now)
        kind = (record.name, record.version, record.clause, record.facts.get("operation", ""))
        if kind not in kinds and len(kinds) >= KINDS_MAX:
            kind = ("", 0, MORE, "")
            record = replace(record, artifact_id="", name="", version=0, clause=MORE, facts={})
        held = kinds.setdefault(kind, _Repeated(record, heard_at=now, due_at=now))
        held.latest = record
        return held

    def _put_down(self, held: _Repeated, now: float) -> None:
        self._write(held.entry())
        held.written(now)

    def _all(self) -> list[_Repeated]:
        return [held for kinds in self._callers.values() for held in kinds.values()]

    def _write_at(self, moment: float, now: float) -> None:
        self._alarm_at = moment
        self._alarm.set(moment - now)

    def _write_in_time(self) -> None:
        with self._lock:
            self._alarm.cancel()
            now = self._clock()
            counted = [held for held in self._all() if held.count]
            # A thread has nobody to tell: what could not be written stays counted, and the next denial of it raises.
            with suppress(Exception):
                for held in counted:
                    if now >= held.due_at:
                        self._put_down(held, now)
            waiting = [held.due_at if held.due_at > now else now + REPEAT_SECONDS for held in counted if held.count]
            if waiting:
                self._write_at(min(waiting), now)


def _loud(kinds: dict[_Kind, _Repeated], now: float) -> dict[_Kind, _Repeated]:
    """Those that are not forgotten yet."""
    return {kind: held for kind, held in kinds.items() if held.count or now - held.heard_at < QUIET_SECONDS}
