"""The second loop: signs what is sequenced and publishes what is signed. Never inside a transaction of others.

One checkpoint, step by step; a crash after any of them is finished by the next start:
1. Commit the intent: this size has this root. One row a size, so there is one root a size, for ever. The tree must
   begin with what is published (`guard.check_extends`). An intent without a note is finished before another is made.
2. Sign in the HSM; verify the note with `hallmark_tlog`; store it.
3. Publish the tiles, then the checkpoint.
4. Wake who waits.
"""

import asyncio
import logging
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.wakeup import Wakeup, wait_ticket
from kms.log import guard, proofs, store
from kms.log.backoff import Backoff
from kms.log.errors import LogDamaged, LogForked, LogFrozen, LogRolledBack
from kms.log.model import CheckpointRecord, LogSettings, PublishedCheckpoint, TreeHead
from kms.log.pace import Pace
from kms.log.publisher import Publisher
from kms.log.signing import CheckpointSigner
from kms.log.waiters import Waiters

_logger = logging.getLogger(__name__)


class CheckpointLoop:
    """Owns the published checkpoint of this process."""

    def __init__(
        self,
        *,
        database: Database,
        signer: CheckpointSigner,
        publisher: Publisher,
        waiters: Waiters,
        clock: Clock,
        settings: LogSettings,
        wakeup: Wakeup,
    ) -> None:
        self._database = database
        self._signer = signer
        self._publisher = publisher
        self._waiters = waiters
        self._clock = clock
        self._settings = settings
        self._wakeup = wakeup
        self._pace = Pace(
            waiters, short=settings.min_checkpoint_interval_seconds, calm=settings.calm_checkpoint_interval_seconds
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

    async def step(self) -> None:
        """Brings the public files up to the sequenced tree, by at most one new checkpoint, and settles waiters."""
        head, latest = await self._database.read(lambda tx: (store.read_head(tx), store.latest_checkpoint(tx)))
        published = self._publisher.published
        if published is not None and published.head.size > head.size:
            raise LogRolledBack(published.head.size, head.size)
        if not _is_current(latest, head, self._clock.now(), self._settings.refresh_seconds):
            latest = await self._make_checkpoint() or latest
        if latest is not None and latest.note is not None and (published is None or published.note != latest.note):
            await self._publisher.publish(PublishedCheckpoint(latest.head, latest.note))
            self._look_for_everybody = True
        await self._settle_waiters()

    async def _make_checkpoint(self) -> CheckpointRecord | None:
        """Intent, signature, note; None when another replica has just done it."""
        self._pace.begin()
        now = self._clock.now()
        published, refresh_seconds = self._publisher.published, self._settings.refresh_seconds
        intent = await self._database.write(lambda tx: intend(tx, published, now, refresh_seconds))
        if intent is None:
            return None
        note = await self._signer.sign(intent.head, now)
        await self._database.write(lambda tx: store.store_note(tx, intent.head, note, now))
        return CheckpointRecord(intent.head, note, now)

    async def _settle_waiters(self) -> None:
        published = self._publisher.published
        if published is None:
            return
        event_keys = self._waiters.event_keys(everybody=self._look_for_everybody)
        self._look_for_everybody = True  # until the answers are given
        if event_keys:
            receipts = await self._database.read(lambda tx: proofs.receipts(tx, published, event_keys))
            self._waiters.settle(receipts)
        self._look_for_everybody = False


def intend(
    tx: Connection, published: PublishedCheckpoint | None, now: datetime, refresh_seconds: float
) -> CheckpointRecord | None:
    """The row to sign now: an intent left unsigned, a new one, or the newest again when it is old. None: nothing.

    Raises LogFrozen when signing could show two truths.
    """
    head = store.read_head(tx, lock=True)
    latest = store.latest_checkpoint(tx)
    if latest is not None and latest.head.size > head.size:
        raise LogDamaged(f"a checkpoint of size {latest.head.size} was begun, its state says {head.size}")
    if latest is not None and latest.head.size == head.size and latest.head.root != head.root:
        raise LogForked(f"size {head.size} was to be signed with another root")
    if _is_current(latest, head, now, refresh_seconds):
        return None
    is_finished = latest is None or latest.note is not None
    target = head if latest is None or (is_finished and latest.head.size < head.size) else latest.head
    guard.check_extends(tx, published, target)
    if latest is None or latest.head.size < target.size:
        return store.insert_intent(tx, target)
    return latest


def _is_current(latest: CheckpointRecord | None, head: TreeHead, now: datetime, refresh_seconds: float) -> bool:
    """The newest checkpoint is signed, is that of the whole tree, and is young (or from a clock that was ahead)."""
    if latest is None or latest.note is None or latest.sign_time is None or latest.head != head:
        return False
    return abs((now - latest.sign_time).total_seconds()) < refresh_seconds
