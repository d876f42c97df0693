"""The second loop: signs what is sequenced and publishes what is signed. Never inside a transaction of others.

One checkpoint, step by step; a crash after any of them is finished by the next start:
1. Commit the intent: this size has this root. One row a size, so there is one root a size, for ever. The tree must
   begin with what is published (`guard.check_extends`). An intent without a note is finished before another is made.
2. Sign in the HSM; verify the note with `hallmark_tlog`; store it.
3. Have it cosigned (`witnessing`): in closed mode it goes on with the quorum of witnesses only.
4. Publish the tiles, then the checkpoint.
5. Wake who waits.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import Reason, Unavailable
from kms.core.wakeup import Wakeup, wait_ticket
from kms.log import proofs, store
from kms.log.errors import LogDamaged, LogForked, LogFrozen, LogRolledBack
from kms.log.memory import guard
from kms.log.model import CheckpointRecord, LogSettings, PublishedCheckpoint, Receipt, TreeHead
from kms.log.published.publisher import Collected, Publisher, collect
from kms.log.rounds.backoff import Backoff
from kms.log.rounds.pace import Pace
from kms.log.rounds.sequencer import Sequencer
from kms.log.rounds.signing import CheckpointSigner, Surroundings
from kms.log.rounds.waiters import Waiters
from kms.log.witnesses.witnessing import QuorumMissing, Witnesses

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Signed:
    """A checkpoint on its way out, with what publishing it needs and the proofs that wait for its note."""

    record: CheckpointRecord
    collected: Collected
    proved: dict[str, Receipt]


class CheckpointLoop:
    """Owns the published checkpoint of this process."""

    def __init__(
        self,
        *,
        database: Database,
        signer: CheckpointSigner,
        witnesses: Witnesses,
        publisher: Publisher,
        sequencer: Sequencer,
        waiters: Waiters,
        clock: Clock,
        settings: LogSettings,
        wakeup: Wakeup,
    ) -> None:
        self._database = database
        self._signer = signer
        self._witnesses = witnesses
        self._publisher = publisher
        self._sequencer = sequencer
        self._waiters = waiters
        self._clock = clock
        self._settings = settings
        self._wakeup = wakeup
        self._pace = Pace(
            lambda: waiters.is_proof_awaited,
            waiters.arrived,
            short=max(settings.min_checkpoint_interval_seconds, settings.witnesses.pace_seconds),
            calm=settings.calm_checkpoint_interval_seconds,
        )
        self._look_for_everybody = True
        self.failure: Exception | None = None
        """Why the last attempt failed; None after one that succeeded."""

    async def run(self) -> None:
        """Until cancelled. Raises LogFrozen; everything else is logged and tried again, ever more slowly."""
        backoff = Backoff()
        while True:
            await self._pace.keep()
            ticket = self._wakeup.ticket()
            if await self.attempt():
                backoff.succeeded()
                await wait_ticket(ticket, self._settings.poll_seconds)
            else:
                await asyncio.sleep(backoff.failed())

    async def attempt(self) -> bool:
        """One `step`; False, with `failure` set, when it should be tried again. Raises LogFrozen."""
        try:
            await self.step()
        except LogFrozen:
            raise
        except Exception as error:  # a loop of the service: a lost HSM or a full disk must not end it
            if self.failure is None:
                _logger.warning("no checkpoint could be published, trying again: %s", error)
            self.failure = error
            return False
        if self.failure is not None:
            _logger.warning("checkpoints are published again")
        self.failure = None
        return True

    def why_unavailable(self) -> Unavailable | None:
        """Why entries that are committed get no proof now, where the reason is known and will pass."""
        if isinstance(self.failure, HsmError):
            return hsm_unavailable("the log entry is committed, but no checkpoint can be signed", self.failure)
        return self.failure if isinstance(self.failure, QuorumMissing) else None

    async def step(self) -> None:
        """Brings the public files up to all that was recorded, by at most one new checkpoint, and settles waiters."""
        published, now = self._publisher.published, self._clock.now()
        refresh_seconds = self._settings.refresh_seconds

        def look(tx: Connection) -> tuple[CheckpointRecord | None, Surroundings | None]:
            found, is_due = intend(tx, published, now, refresh_seconds)
            return found, self._signer.look(tx) if is_due else None

        with self._pace.round():
            _, (found, around) = await self._sequencer.round(look)
            if found is not None and around is not None:
                before = 0 if published is None else published.head.size
                await self._show_new(await self._sign(found, around, now, before))
            elif found is not None:
                await self._show_stored(found)

    async def _sign(self, intent: CheckpointRecord, around: Surroundings, now: datetime, before: int) -> _Signed:
        """While the HSM signs, what publishing will need is read, and proofs are made as far as they need no signature:
        for who waits now and has a place in this tree.
        """
        size = intent.head.size
        places = {key: self._waiters.place(key) for key in self._waiters.without_proof(everybody=True)}

        def read(tx: Connection) -> tuple[Collected, dict[str, Receipt]]:
            return collect(tx, before, size), proofs.receipts(tx, size, places) if places else {}

        note, (collected, proved) = await _all(self._signer.sign(intent.head, now, around), self._database.read(read))
        return _Signed(dataclasses.replace(intent, note=note, sign_time=now), collected, proved)

    async def _show_new(self, signed: _Signed) -> None:
        """A new note is stored while it is published: whatever a crash leaves of either, the next start finishes it."""
        record = signed.record
        await _all(self._publish(record, signed.collected), self._store(record))
        published = self._publisher.published
        if published is not None and published.head == record.head:
            self._waiters.settle({key: proof.under(published.note) for key, proof in signed.proved.items()})
            self._look_for_everybody = False
        await self._settle_waiters()

    async def _show_stored(self, latest: CheckpointRecord) -> None:
        """What is signed already: by another replica, or with new lines of witnesses."""
        if latest.note is not None:
            await self._publish(latest)
        await self._settle_waiters()

    async def _store(self, signed: CheckpointRecord) -> None:
        note, sign_time = signed.note, signed.sign_time
        assert note is not None
        assert sign_time is not None
        await self._database.write(lambda tx: keep_note(tx, signed.head, note, sign_time))

    async def _publish(self, latest: CheckpointRecord, collected: Collected | None = None) -> None:
        """Unless it is what the public files show."""
        note = await self._witnesses.cosign(latest)
        published = self._publisher.published
        if note is not None and (published is None or published.note != note):
            self._look_for_everybody = True
            await self._publisher.publish(PublishedCheckpoint(latest.head, note), collected)

    async def _settle_waiters(self) -> None:
        """Who came since, or asks for what another replica published."""
        published = self._publisher.published
        if published is None:
            return
        event_keys = self._waiters.without_proof(everybody=self._look_for_everybody)
        self._look_for_everybody = True  # until the answers are given
        places = {key: self._waiters.place(key) for key in event_keys}
        if event_keys and any(place is None or place < published.head.size for place in places.values()):
            found = await self._database.read(lambda tx: proofs.receipts(tx, published.head.size, places))
            self._waiters.settle({key: proof.under(published.note) for key, proof in found.items()})
        if elsewhere := self._waiters.without_place():  # another replica's sequencer gave it
            self._waiters.place_found(await self._database.read(lambda tx: store.find_indices(tx, elsewhere)))
        self._look_for_everybody = False


def hsm_unavailable(what: str, error: HsmError) -> Unavailable:
    return Unavailable(Reason.HSM_UNAVAILABLE, f"{what}: {error}", retry_after_seconds=5)


async def _all(*work: Awaitable[Any]) -> list[Any]:
    """Side by side. Raises the first error, when none is running any more."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def keep_note(tx: Connection, head: TreeHead, note: bytes, sign_time: datetime) -> None:
    """Unless another replica signed the same tree a moment later. Raises LogForked."""
    there = store.lock_note(tx, head)
    if there is None or guard.own_time(there) <= guard.own_time(note):
        store.store_note(tx, head, note, sign_time)


def intend(
    tx: Connection, published: PublishedCheckpoint | None, now: datetime, refresh_seconds: float
) -> tuple[CheckpointRecord | None, bool]:
    """The newest checkpoint, and whether to sign it now: an intent left unsigned, a new one, or an old one anew.

    Raises LogFrozen when signing could show two truths.
    """
    head = store.read_head(tx, lock=True)
    latest = store.latest_checkpoint(tx)
    if latest is not None and latest.head.size > head.size:
        raise LogDamaged(f"a checkpoint of size {latest.head.size} was begun, its state says {head.size}")
    if latest is not None and latest.head.size == head.size and latest.head.root != head.root:
        raise LogForked(f"size {head.size} was to be signed with another root")
    if published is not None and published.head.size > head.size:
        raise LogRolledBack(published.head.size, head.size)
    if _is_current(latest, head, now, refresh_seconds):
        return latest, False
    is_finished = latest is None or latest.note is not None
    target = head if latest is None or (is_finished and latest.head.size < head.size) else latest.head
    guard.check_extends(tx, published, target)
    if latest is None or latest.head.size < target.size:
        return store.insert_intent(tx, target), True
    return latest, True


def _is_current(latest: CheckpointRecord | None, head: TreeHead, now: datetime, refresh_seconds: float) -> bool:
    """The newest checkpoint is signed, is that of the whole tree, and is young (or from a clock that was ahead)."""
    if latest is None or latest.note is None or latest.sign_time is None or latest.head != head:
        return False
    return abs((now - latest.sign_time).total_seconds()) < refresh_seconds
