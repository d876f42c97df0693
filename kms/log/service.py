"""The transparency log of this service: acts go in with their transaction, proofs come out."""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.engine import Connection

from hallmark_tlog.vkey import VerifierKey
from hsm.errors import HsmError
from hsm.provider import KeyProvider
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import DeadlineExceeded, Reason, ResourceExhausted, ServiceError, Unavailable
from kms.core.wakeup import Wakeup
from kms.log import guard, proofs, store
from kms.log.checkpoints import CheckpointLoop
from kms.log.errors import LogFrozen, LogRolledBack
from kms.log.model import (
    ConsistencyProof,
    InclusionProof,
    LogEntry,
    LogPromise,
    LogSettings,
    PublishedCheckpoint,
    promise_of,
)
from kms.log.publisher import Publisher
from kms.log.sequencer import Sequencer
from kms.log.signing import CheckpointSigner, LogKeys, ensure_keys, format_verifier_keys
from kms.log.waiters import Waiters
from kms.public.files import PublicFiles

_logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 5.0


class TransparencyLog:
    """A C2SP tlog-tiles log. `public_files` is its prefix: `checkpoint`, `tile/...` and `verifier-keys` go there.

    `record` inside the act's write transaction; `confirm` after it. Between `start` and `close` two tasks sequence,
    sign and publish. With PostgreSQL every replica runs them; what keeps them apart is in the database.
    """

    def __init__(
        self,
        *,
        database: Database,
        provider: KeyProvider,
        public_files: PublicFiles,
        clock: Clock,
        settings: LogSettings,
    ) -> None:
        self._database = database
        self._provider = provider
        self._clock = clock
        self._settings = settings
        self._waiters = Waiters()
        self._sequenced = Wakeup()
        self._publisher = Publisher(database, public_files, origin=settings.origin)
        self._sequencer = Sequencer(database, settings, self._sequenced)
        self._keys: LogKeys | None = None
        self._checkpoints: CheckpointLoop | None = None
        self._frozen: LogFrozen | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # Acts

    def record(self, tx: Connection, entry: LogEntry) -> LogPromise:
        """Puts an act into the log's queue, in the act's own transaction. Call `confirm` after the commit.

        Raises ResourceExhausted/QUEUE_FULL, LogFrozen; for mistakes of the caller EventRecordedTwice, EntryTooLarge.
        """
        return self.record_many(tx, [entry])[0]

    def record_many(self, tx: Connection, entries: Sequence[LogEntry]) -> list[LogPromise]:
        """Like `record`, for several acts of one transaction (at least one); all or none."""
        promises = [promise_of(entry.event_key, entry.encode()) for entry in entries]
        self.record_promised(tx, promises)
        return promises

    def record_promised(self, tx: Connection, promises: Sequence[LogPromise]) -> None:
        """Like `record_many`, for promises that were made before the transaction began (kms.log.model.promise_of)."""
        if self._frozen is not None:
            raise self._frozen.with_traceback(None)
        waiting = store.enqueue(tx, [(promise.event_key, promise.entry) for promise in promises])
        if waiting > self._settings.queue_max:
            raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    async def confirm(self, promise: LogPromise, *, published: bool, timeout_seconds: float = 8.0) -> LogPromise:
        """Starts the sequencing of what was recorded and committed. Safe to repeat, also for an old promise.

        With `published`, waits for the checkpoint that covers the entry and adds index and proof. The act stands
        whatever is raised here: Unavailable/HSM_UNAVAILABLE, DeadlineExceeded, Unavailable/SHUTTING_DOWN, LogFrozen.
        """
        self._sequencer.wake()
        if not published or promise.tlog_proof is not None:
            return promise
        with self._waiters.waiting(promise.event_key) as receipt:
            try:
                async with asyncio.timeout(timeout_seconds):
                    found = await receipt
            except TimeoutError:
                raise self._why_late(promise) from None
        return dataclasses.replace(promise, leaf_index=found.leaf_index, tlog_proof=found.tlog_proof)

    async def confirm_many(self, promises: Sequence[LogPromise], *, published: bool) -> list[LogPromise]:
        """`confirm` for what was committed together."""
        self._sequencer.wake()
        if not published:
            return list(promises)
        return list(await asyncio.gather(*(self.confirm(promise, published=True) for promise in promises)))

    # Life

    async def prepare(self) -> None:
        """Checks that signing is safe, and makes the log's keys at the first start. Everything `start` does but run.

        Raises LogFrozen (an operator must act), Unavailable/HSM_UNAVAILABLE (first start only), PublicFilesError.
        """
        origin = self._settings.origin
        head = await self._database.write(lambda tx: store.ensure_state(tx, origin))
        found = await self._publisher.find_published()
        if found is not None and found.head.size > head.size:  # before new keys are made for a database that is too new
            raise LogRolledBack(found.head.size, head.size)
        head = await self._database.read(guard.self_check)
        try:
            self._keys = await ensure_keys(self._database, self._provider, origin=origin, now=self._clock.now())
        except HsmError as error:
            raise _hsm_unavailable("the keys of the log can not be made", error) from error
        if found is not None:
            guard.check_signed_by_us(found, self._keys.verifiers)
            await self._database.read(lambda tx: guard.check_extends(tx, found, head))
        self._publisher.published = found
        await self._publisher.publish_verifier_keys(format_verifier_keys(self._keys.verifiers))
        self._checkpoints = CheckpointLoop(
            database=self._database,
            signer=CheckpointSigner(self._provider, self._keys),
            publisher=self._publisher,
            waiters=self._waiters,
            clock=self._clock,
            settings=self._settings,
            wakeup=self._sequenced,
        )

    async def start(self) -> None:
        """`prepare`, then finishes what a crash left unfinished and runs until `close`. Errors of `prepare`.

        An HSM that is away now is waited for in the background: entries are taken and sequenced meanwhile.
        """
        await self.prepare()
        assert self._checkpoints is not None
        await self._checkpoints.attempt()
        for name, loop in (("sequencer", self._sequencer.run), ("checkpoints", self._checkpoints.run)):
            self._tasks.append(asyncio.create_task(self._run(loop), name=f"log-{name}"))

    async def close(self) -> None:
        """Stops both loops and publishes a last checkpoint; who still waits is told to retry. Idempotent.

        What cannot be published now stays in the database for the next start.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
            await self._publish_the_last()
        self._waiters.fail(Unavailable(Reason.SHUTTING_DOWN, "the server is closing; retry", retry_after_seconds=1))

    async def step(self) -> None:
        """Sequences what is queued and publishes it: one round of what the tasks do, for tools and tests."""
        assert self._checkpoints is not None, "prepare first"
        await self._sequencer.drain()
        await self._checkpoints.step()

    # Reading

    @property
    def origin(self) -> str:
        """The name of the log and of its keys, for ever."""
        return self._settings.origin

    def verifier_keys(self) -> list[VerifierKey]:
        """Ed25519 (0x01), then ML-DSA-44 (0x06); `str` of each is its vkey line."""
        assert self._keys is not None, "start first"
        return list(self._keys.verifiers)

    async def checkpoint(self) -> PublishedCheckpoint:
        """The newest published one. Raises Unavailable before there is any."""
        published = self._publisher.published
        if published is None:
            raise self._why_unavailable() or Unavailable(
                Reason.HSM_UNAVAILABLE, "no checkpoint is published yet; retry", retry_after_seconds=1
            )
        return published

    async def inclusion_proof(self, entry: int | str, *, tree_size: int = 0) -> InclusionProof:
        """See `proofs.inclusion_proof`."""
        published = await self.checkpoint()
        return await self._database.read(lambda tx: proofs.inclusion_proof(tx, published, entry, tree_size))

    async def consistency_proof(self, old_size: int, *, new_size: int = 0) -> ConsistencyProof:
        """See `proofs.consistency_proof`."""
        published = await self.checkpoint()
        return await self._database.read(lambda tx: proofs.consistency_proof(tx, published, old_size, new_size))

    # Inside

    async def _publish_the_last(self) -> None:
        if self._frozen is not None or self._checkpoints is None or self._checkpoints.failure is not None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.step()
        except Exception as error:  # closing goes on; the next start publishes it
            _logger.warning("the last checkpoint is left to the next start: %s", error)

    async def _run(self, loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except LogFrozen as error:
            _logger.critical("%s", error)
            self._frozen = error
            self._waiters.fail(error)
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()

    def _why_late(self, promise: LogPromise) -> ServiceError:
        return self._why_unavailable() or DeadlineExceeded(
            Reason.DEADLINE_EXCEEDED,
            f"the act and its log entry {promise.event_key} are committed, the checkpoint is late: ask for the "
            "inclusion proof later, or repeat the call with the same request_id",
        )

    def _why_unavailable(self) -> Unavailable | None:
        failure = self._checkpoints.failure if self._checkpoints is not None else None
        if not isinstance(failure, HsmError):
            return None
        return _hsm_unavailable("the log entry is committed, but no checkpoint can be signed", failure)


def _hsm_unavailable(what: str, error: HsmError) -> Unavailable:
    return Unavailable(Reason.HSM_UNAVAILABLE, f"{what}: {error}", retry_after_seconds=5)


async def stored_origin(database: Database) -> str | None:
    """Of the log that the database holds; None before there is one."""
    return await database.read(store.find_origin)
