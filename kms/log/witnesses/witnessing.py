"""Cosignatures on the log's checkpoints: every witness of the policy is asked in parallel, none holds up another.

What comes back is verified, stored with the checkpoint's row and published with it. The row is the meeting point: a
restart loses nothing, and replicas on one database put their witnesses' lines together there.

`cosign` waits for the quorum, no longer than the timeout: while entries come all the time a checkpoint is soon followed
by another one, and cosignatures that come later would never be shown. Later ones wake the checkpoint loop, which
publishes the checkpoint again with them if it is still the newest.

Open mode     Without the quorum the checkpoint is published all the same, at once when no witness that can be reached
              is left to wait for.
Closed mode   Without the quorum nothing is published.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import assert_never

from hallmark_tlog.by_policy import open_checkpoint_by_policy
from hallmark_tlog.errors import QuorumNotReached
from hallmark_tlog.note import SignatureLine
from hallmark_tlog.policy import Policy
from hallmark_tlog.vkey import VerifierKey
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import Reason, Unavailable
from kms.core.wakeup import Wakeup, wait_ticket
from kms.log import store
from kms.log.memory import guard
from kms.log.model import CheckpointRecord, PublishedCheckpoint
from kms.log.witnesses.client import LogIdentity, WitnessClient
from kms.log.witnesses.cosigned_notes import add_cosignatures, public_note
from kms.log.witnesses.pursuit import Pursuit, WitnessHealth
from kms.log.witnesses.settings import WitnessMode, WitnessSettings, policy_of_log


class QuorumMissing(Unavailable):
    """In closed mode: too few witnesses cosigned in time. The checkpoint is tried again, nothing is lost."""

    def __init__(self, error: QuorumNotReached) -> None:
        problem = f"the log entry is committed, its checkpoint waits for witnesses: {error}"
        super().__init__(Reason.WITNESSES_UNAVAILABLE, problem, retry_after_seconds=5)


class Witnesses:
    """The witnesses of one log, for its checkpoint loop. Belongs to one event loop."""

    def __init__(
        self, settings: WitnessSettings, *, origin: str, database: Database, clock: Clock, cosigned: Wakeup
    ) -> None:
        """Call `know_keys` next. `cosigned` is notified when `cosign` may answer more than before."""
        self.policy: Policy = settings.policy
        """What auditors hold the log to."""
        self._settings = settings
        self._log = LogIdentity(origin)
        self._database = database
        self._cosigned = cosigned
        self._attempted = Wakeup()
        self._accepted = b""
        services = settings.by_url()
        self._threads = ThreadPoolExecutor(max(1, len(services)), thread_name_prefix="witness")
        self._pursuits = [
            Pursuit(
                WitnessClient(
                    url,
                    witnesses,
                    log=self._log,
                    database=database,
                    threads=self._threads,
                    timeout_seconds=settings.timeout_seconds,
                ),
                keep=self._keep,
                attempted=self._after_attempt,
                clock=clock,
                interval_seconds=settings.interval_seconds,
            )
            for url, witnesses in services.items()
        ]

    def know_keys(self, signing: Sequence[VerifierKey], every: Sequence[VerifierKey]) -> None:
        """The keys that sign the log from now on, and all that ever did."""
        self.policy = policy_of_log(self._settings.policy, signing)
        self._log.every_vkey = tuple(every)

    @property
    def health(self) -> Sequence[WitnessHealth]:
        """One for each witness service that is asked."""
        return [pursuit.health for pursuit in self._pursuits]

    async def look_first(self) -> None:
        """Before anything new is signed: does a witness prove that it has seen more than this database has?

        Raises LogFrozen. Witnesses that do not answer within the timeout are not waited for.
        """
        latest = guard.read_published(await self._database.read(store.newest_note), self._log.origin)
        if latest is None or not self._pursuits:
            return
        self._take(latest)
        answers = [asyncio.create_task(pursuit.answered.wait()) for pursuit in self._pursuits]
        _, late = await asyncio.wait(answers, timeout=self._settings.timeout_seconds)
        for answer in late:
            answer.cancel()
        self._raise_if_frozen()

    async def cosign(self, record: CheckpointRecord) -> bytes | None:
        """The note to publish for a signed checkpoint: with all cosignatures that its row has by then.

        None: another replica has begun a newer one, look again. Raises QuorumMissing (closed mode), LogFrozen.
        """
        assert record.note is not None, "sign first"
        self._raise_if_frozen()
        self._take(PublishedCheckpoint(record.head, record.note))
        loop = asyncio.get_running_loop()
        # The time for their answers: it begins when all of them may be asked.
        interval = max((pursuit.seconds_of_interval() for pursuit in self._pursuits), default=0.0)
        deadline = loop.time() + interval + self._settings.timeout_seconds
        while True:
            ticket = self._attempted.ticket()
            latest = await self._database.read(store.latest_checkpoint)
            if latest is None or latest.head != record.head:
                self._cosigned.notify()
                return None
            note = public_note(dataclasses.replace(record, cosignatures=latest.cosignatures))
            try:
                return self._check_quorum(note)
            except QuorumNotReached as error:
                seconds = max(0.0, deadline - loop.time()) if self._is_worth_waiting() else 0.0
                if not await wait_ticket(ticket, seconds):
                    return self._without_quorum(note, error)
            self._raise_if_frozen()

    async def close(self) -> None:
        """Lets go of who is asked now: the next start asks again. Idempotent."""
        for pursuit in self._pursuits:
            await pursuit.stop()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for pursuit in self._pursuits:
            pursuit.close()

    def _take(self, checkpoint: PublishedCheckpoint) -> None:
        for pursuit in self._pursuits:
            pursuit.take(checkpoint)

    async def _keep(self, checkpoint: PublishedCheckpoint, lines: Sequence[SignatureLine]) -> None:
        await self._database.write(lambda tx: add_cosignatures(tx, checkpoint.head, lines))
        self._cosigned.notify()

    def _after_attempt(self) -> None:
        self._attempted.notify()
        if any(pursuit.frozen for pursuit in self._pursuits):
            self._cosigned.notify()

    def _raise_if_frozen(self) -> None:
        for pursuit in self._pursuits:
            if pursuit.frozen is not None:
                raise pursuit.frozen.with_traceback(None)

    def _is_worth_waiting(self) -> bool:
        match self._settings.mode:
            case WitnessMode.OPEN:
                return any(pursuit.is_hopeful for pursuit in self._pursuits)
            case WitnessMode.CLOSED:
                return True
            case _:
                assert_never(self._settings.mode)

    def _without_quorum(self, note: bytes, error: QuorumNotReached) -> bytes:
        if self._settings.mode is WitnessMode.CLOSED:
            raise QuorumMissing(error) from error
        return note

    def _check_quorum(self, note: bytes) -> bytes:
        """Raises QuorumNotReached."""
        if note != self._accepted:
            policy = policy_of_log(self._settings.policy, self._log.every_vkey)  # an old key may have signed last
            open_checkpoint_by_policy(note, policy, origin=self._log.origin)
            self._accepted = note
        return note
