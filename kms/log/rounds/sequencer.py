"""The loop that gives entries their places, and the rounds of it that other loops ask for."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import Reason, ResourceExhausted, ServiceError
from kms.core.wakeup import Wakeup, wait_ticket
from kms.log import store
from kms.log.errors import LogFrozen
from kms.log.model import LogSettings, TreeHead
from kms.log.rounds.backoff import Backoff
from kms.log.rounds.pace import Pace
from kms.log.rounds.sequencing import DirectEntry, Earlier, Sequenced, sequence
from kms.log.rounds.waiters import Waiter, Waiters

_logger = logging.getLogger(__name__)
_CALM_SECONDS: Final = 0.1
"""Between two rounds while nobody waits for a place."""
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Pending:
    """Entries that go in together, and who waits for them. `earlier`: those that were there before."""

    entries: Sequence[DirectEntry]
    waiter: Waiter
    earlier: dict[str, Earlier] = field(default_factory=dict)
    is_stored: bool = False


class Sequencer:
    """Runs `sequence` whenever it is woken, and now and then for what other replicas left behind."""

    def __init__(self, database: Database, settings: LogSettings, sequenced: Wakeup, waiters: Waiters) -> None:
        """`sequenced` is notified when there may be something new to sign."""
        self._database = database
        self._settings = settings
        self._sequenced = sequenced
        self._waiters = waiters
        self._pace = Pace(
            lambda: waiters.is_place_awaited,
            waiters.arrived,
            short=settings.min_checkpoint_interval_seconds,
            calm=_CALM_SECONDS,
        )
        self._wakeup = Wakeup()
        self._pending: deque[Pending] = deque()
        self._pending_entries = 0
        self._failure: ServiceError | None = None
        self._one_at_a_time = asyncio.Lock()

    def wake(self) -> None:
        """There is something to sequence."""
        self._wakeup.notify()
        self._sequenced.notify()

    def put(self, entries: Sequence[DirectEntry], waiter: Waiter) -> Pending:
        """Gives these entries, at least one, each event key once, their places in the next round; all or none.

        `waiter`, held until then, waits for them; it fails with what the transaction raised: then nothing is stored,
        but for OutcomeUnknown. Raises ResourceExhausted/QUEUE_FULL.
        """
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        if self._pending_entries + len(entries) > self._settings.queue_max:
            raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)
        pending = Pending(entries, waiter)
        self._pending.append(pending)
        self._pending_entries += len(entries)
        self.wake()
        return pending

    async def run(self) -> None:
        """Until cancelled. Raises LogFrozen; everything else is logged and tried again, ever more slowly.

        Rounds keep a distance: moving 500 entries costs little more than moving one.
        """
        backoff = Backoff()
        while True:
            await self._pace.keep()
            ticket = self._wakeup.ticket()
            try:
                await self.drain()
            except LogFrozen:
                raise
            except Exception as error:  # a loop of the service: only an operator may stop it
                _logger.warning("the log could not be sequenced: %s", error)
                await asyncio.sleep(backoff.failed())
                continue
            backoff.succeeded()
            await self._wait_for_work(ticket)

    async def drain(self) -> TreeHead:
        """Sequences until the queue is empty. Returns the head then."""
        while True:
            done, _ = await self.round(_nothing)
            self._sequenced.notify()
            if done.from_queue < self._settings.batch_max and not self._pending:
                return done.head

    async def round(self, then: Callable[[Connection], T]) -> tuple[Sequenced, T]:
        """One transaction: what waits is sequenced, then `then` is done on the result. Returns both answers.

        What `then` raises takes the places back, too.
        """
        batch_max = self._settings.batch_max
        async with self._one_at_a_time:
            taken = self._take(batch_max)
            direct, twins = _each_once(taken)

            def work(tx: Connection) -> tuple[Sequenced, T]:
                return sequence(tx, batch_max, direct), then(tx)

            try:
                with self._pace.round():
                    done, more = await self._database.write(work)
            except BaseException as error:
                _refuse(taken, error)
                raise
        self._note(taken, done, twins)
        self._waiters.sequenced(done.start, done.event_keys)
        return done, more

    def _take(self, entries_max: int) -> list[Pending]:
        """At least one that waits, if any does; those whose callers have gone are not stored."""
        taken: list[Pending] = []
        count = 0
        while self._pending and count < entries_max:
            pending = self._pending.popleft()
            self._pending_entries -= len(pending.entries)
            if not pending.waiter.future.done():
                taken.append(pending)
                count += len(pending.entries)
        return taken

    def _note(self, taken: Sequence[Pending], done: Sequenced, twins: Mapping[str, DirectEntry]) -> None:
        """What was there before, for who asks; and the places of that."""
        for pending in taken:
            pending.is_stored = True
            for entry in pending.entries:
                key = entry.promise.event_key
                if (found := done.earlier.get(key)) is not None:
                    pending.earlier[key] = found
                    if found.receipt is not None:
                        pending.waiter.settle(key, found.receipt)
                elif twins[key] is not entry:
                    pending.earlier[key] = Earlier(twins[key].promise.entry)
        places = {key: found.index for key, found in done.earlier.items() if found.index is not None}
        self._waiters.place_found(places)
        for pending in taken:
            pending.waiter.release()

    def fail(self, error: ServiceError) -> None:
        """Nothing is sequenced any more: who waits for it, or comes later, hears why."""
        self._failure = error
        _refuse(self._pending, error)
        self._pending.clear()
        self._pending_entries = 0

    async def _wait_for_work(self, ticket: asyncio.Future[None]) -> None:
        while not await wait_ticket(ticket, self._settings.poll_seconds):
            # Nobody called: look with a read before taking the writer's time.
            if not await self._database.read(store.is_queue_empty):
                return


def _nothing(_tx: Connection) -> None:
    """For rounds that only sequence."""


def _each_once(taken: Sequence[Pending]) -> tuple[list[DirectEntry], dict[str, DirectEntry]]:
    """A call and its retry may meet in one round: the first goes in. Also by event key."""
    first: dict[str, DirectEntry] = {}
    for pending in taken:
        for entry in pending.entries:
            first.setdefault(entry.promise.event_key, entry)
    return list(first.values()), first


def _refuse(taken: Iterable[Pending], error: BaseException) -> None:
    for pending in taken:
        pending.waiter.fail(error)
