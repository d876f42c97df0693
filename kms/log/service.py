"""The transparency log of this service: acts go in with their transaction, proofs come out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.engine import Connection

from hallmark_tlog.vkey import VerifierKey
from hsm.errors import HsmError
from hsm.provider import KeyProvider
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import Reason, ResourceExhausted, Unavailable
from kms.core.steady_time import SteadyTime
from kms.core.wakeup import Wakeup
from kms.log import proofs, store
from kms.log.errors import LogFrozen
from kms.log.keys.keys import LogKeys, ensure_keys, format_verifier_keys
from kms.log.memory import guard
from kms.log.memory.remembered import Memories, Memory, Seen
from kms.log.model import (
    ConsistencyProof,
    InclusionProof,
    LogEntry,
    LogPromise,
    LogSettings,
    PublishedCheckpoint,
    promise_of,
)
from kms.log.published.publisher import Publisher
from kms.log.rounds.checkpoints import CheckpointLoop, hsm_unavailable
from kms.log.rounds.delivery import Delivery
from kms.log.rounds.loops import Loops
from kms.log.rounds.sequencer import Sequencer
from kms.log.rounds.sequencing import DirectEntry, Earlier
from kms.log.rounds.signing import CheckpointSigner
from kms.log.rounds.waiters import Receipts, Waiters
from kms.log.witnesses.pursuit import WitnessHealth
from kms.log.witnesses.witnessing import Witnesses
from kms.public.files import PublicFiles

_logger = logging.getLogger(__name__)
_CLOSE_SECONDS = 5.0


class TransparencyLog:
    """A C2SP tlog-tiles log. `public_files` is its prefix: `checkpoint`, `tile/...`, `verifier-keys`, `policy`.

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
        memories: Sequence[Memory] = (),
    ) -> None:
        """`memories`: places outside the database that know what was released; asked at start, told before release."""
        self._database = database
        self._provider = provider
        self.public_files = public_files
        self._clock = clock
        self._settings = settings
        self._waiters = Waiters()
        self._sequenced = Wakeup()
        self._memories = Memories(memories, origin=settings.origin)
        self._publisher = Publisher(database, public_files, origin=settings.origin, released=self._memories.remember)
        self._witnesses = Witnesses(
            settings.witnesses, origin=settings.origin, database=database, clock=clock, cosigned=self._sequenced
        )
        self._sequencer = Sequencer(database, settings, self._sequenced, self._waiters)
        self._delivery = Delivery(self._sequencer, self._waiters, self._why_unavailable)
        self._keys: LogKeys | None = None
        self._checkpoints: CheckpointLoop | None = None
        self._frozen: LogFrozen | None = None
        self._loops = Loops(self._freeze)

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
        self._check_takes_entries()
        waiting = store.enqueue(tx, [(promise.event_key, promise.entry) for promise in promises])
        if waiting > self._settings.queue_max:
            raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    async def confirm(self, promise: LogPromise, *, published: bool, timeout_seconds: float = 8.0) -> LogPromise:
        """Starts the sequencing of what was recorded and committed. Safe to repeat, also for an old promise.

        With `published`, waits for the checkpoint that covers the entry and adds index and proof. The act stands
        whatever is raised here: Unavailable/HSM_UNAVAILABLE, DeadlineExceeded, Unavailable/SHUTTING_DOWN, LogFrozen.
        """
        if promise.tlog_proof is not None:
            return promise
        if not published:
            self._sequencer.wake()
            return promise
        return (await self._delivery.proved([promise], timeout_seconds=timeout_seconds))[0]

    async def confirm_many(self, promises: Sequence[LogPromise], *, published: bool) -> list[LogPromise]:
        """`confirm` for what was committed together; nothing to confirm is confirmed at once."""
        if not promises or not published:
            self._sequencer.wake()
            return list(promises)
        return await self._delivery.proved(promises)

    async def append(self, entries: Sequence[DirectEntry], *, published: bool) -> tuple[dict[str, Earlier], Receipts]:
        """Puts entries in that belong to no other act, each event key once, at least one; all or none.

        Returns what was there before (left as it is) and a receipt for each of them, both by event key: committed and
        with its place, with `published` also with its proof. Raises like `record` and `confirm`.
        """
        self._check_takes_entries()
        return await self._delivery.append(entries, published=published)

    # Life

    async def prepare(self) -> None:
        """Checks that signing is safe, and makes the log's keys at the first start. Everything `start` does but run.

        Raises LogFrozen (an operator must act), Unavailable/HSM_UNAVAILABLE (first start only), PublicFilesError.
        """
        origin = self._settings.origin
        await self._database.write(lambda tx: store.ensure_state(tx, origin))
        found = await self._publisher.find_published()
        head = await self._database.read(guard.self_check)
        await self._memories.compare(self._database, found, head)  # before keys are made for a database too new
        try:
            self._keys = await ensure_keys(self._database, self._provider, origin=origin, now=self._clock.now())
        except HsmError as error:
            raise hsm_unavailable("the keys of the log can not be made", error) from error
        if found is not None:
            guard.check_signed_by_us(found, self._keys.every_verifier)
            await self._database.read(lambda tx: guard.check_extends(tx, found, head))
            await self._memories.remember(found)
        self._publisher.published = found
        await self._publish_keys(self._keys)
        await self._witnesses.look_first()
        steady = SteadyTime(self._clock)
        signer = CheckpointSigner(
            self._database, self._provider, self._keys, steady=steady, keys_changed=self._publish_keys
        )
        if found is not None:
            signer.shown(found.note)
        self._checkpoints = CheckpointLoop(
            database=self._database,
            signer=signer,
            witnesses=self._witnesses,
            publisher=self._publisher,
            sequencer=self._sequencer,
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
        self.run_beside("sequencer", self._sequencer.run)
        self.run_beside("checkpoints", self._checkpoints.run)

    def run_beside(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Runs a loop until `close`. A LogFrozen that it raises freezes the log."""
        self._loops.run(name, loop)

    async def check_shown(self, shown: PublishedCheckpoint) -> None:
        """What is shown somewhere else is signed by us, and our tree begins with it. Raises LogFrozen."""
        assert self._keys is not None, "prepare first"
        guard.check_signed_by_us(shown, self._keys.every_verifier)
        await self._database.read(lambda tx: guard.check_extends(tx, shown, store.read_head(tx)))

    async def close(self) -> None:
        """Stops both loops and publishes a last checkpoint; who still waits is told to retry. Idempotent.

        What cannot be published now stays in the database for the next start.
        """
        if await self._loops.stop(_CLOSE_SECONDS):
            await self._publish_the_last()
        await self._memories.close()
        await self._witnesses.close()
        closing = Unavailable(Reason.SHUTTING_DOWN, "the server is closing; retry", retry_after_seconds=1)
        self._waiters.fail(closing)
        self._sequencer.fail(closing)

    async def seen(self) -> list[Seen]:
        """What places outside the database remember, the largest first. For a log that cannot be prepared."""
        return await self._memories.recall(await self._publisher.find_published())

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

    @property
    def published_changes(self) -> Wakeup:
        """Notified after each checkpoint that this process published."""
        return self._publisher.changes

    def verifier_keys(self) -> list[VerifierKey]:
        """Those that sign now: Ed25519 (0x01), then ML-DSA-44 (0x06); `str` of each is its vkey line."""
        assert self._keys is not None, "start first"
        return list(self._keys.verifiers)

    @property
    def problem(self) -> str:
        """What keeps entries from being published now; empty when nothing does."""
        failure = self._frozen or (None if self._checkpoints is None else self._checkpoints.failure)
        return "" if failure is None else str(failure)

    @property
    def witnesses(self) -> Sequence[WitnessHealth]:
        """How each witness of the policy that is asked stands now."""
        return self._witnesses.health

    @property
    def published(self) -> PublishedCheckpoint | None:
        """The newest checkpoint that the public files show; None before there is any."""
        return self._publisher.published

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

    async def _publish_keys(self, keys: LogKeys) -> None:
        """Other keys sign from now on: told before the first checkpoint that they sign."""
        self._witnesses.know_keys(keys.verifiers, keys.every_verifier)
        await self._publisher.publish_verifier_keys(format_verifier_keys(keys.verifiers))
        await self._publisher.publish_policy(str(self._witnesses.policy).encode())
        self._keys = keys

    def _check_takes_entries(self) -> None:
        if self._frozen is not None:
            raise self._frozen.with_traceback(None)

    async def _publish_the_last(self) -> None:
        if self._frozen is not None or self._checkpoints is None or self._checkpoints.failure is not None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.step()
        except Exception as error:  # closing goes on; the next start publishes it
            _logger.warning("the last checkpoint is left to the next start: %s", error)

    def _freeze(self, error: LogFrozen) -> None:
        self._frozen = error
        self._waiters.fail(error)
        self._sequencer.fail(error)

    def _why_unavailable(self) -> Unavailable | None:
        return None if self._checkpoints is None else self._checkpoints.why_unavailable()
