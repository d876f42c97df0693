"""The log as a state machine: whatever happens in whatever order, one tree that only grows, and every act in it once.

Two replicas work on one database, each with a public folder of its own. Every checkpoint that appears in a folder is
audited there and then: signatures, every tile and bundle, every inclusion, consistency with the one shown before
(support.public_files.AuditedPublicFiles).
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import leaf_hash, root_from_leaves
from hallmark_tlog.proof import verify_proof
from hsm.errors import HsmError, TokenUnavailable
from hsm.testing import Operation
from kms.log import store
from kms.log.errors import EventRecordedTwice, LogFrozen
from kms.log.model import TreeHead
from kms.log.rounds import sequencer
from kms.log.service import TransparencyLog
from support.log_world import ORIGIN, LogWorld
from support.public_files import AuditedPublicFiles

T = TypeVar("T")
REPLICAS = st.sampled_from([0, 1])


class Stop(Exception):
    """Makes a business transaction roll back."""


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.world = LogWorld(Path(self.folder.name))
        self.files = [self.world.audited, AuditedPublicFiles(ORIGIN)]
        self.replicas: list[TransparencyLog] = []
        self.backup: tuple[bytes, int] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.world.close())
        self.runner.close()
        self.folder.cleanup()

    async def _open_replicas(self) -> None:
        self.replicas = [await self.world.open(), self.world.on_same_data(self.files[1])]
        for replica in self.replicas:
            await replica.prepare()

    @initialize()
    def first_start(self) -> None:
        self.run(self._open_replicas())

    @rule(count=st.integers(1, 5) | st.just(130) | st.just(256))
    def act(self, count: int) -> None:
        self.run(self.world.act(count))

    @rule()
    def act_that_rolls_back(self) -> None:
        def work(tx: Connection) -> None:
            self.world.log.record(tx, self.world.entry())
            raise Stop

        try:
            self.run(self.world.database.write(work))
        except Stop:
            return
        raise AssertionError("the transaction did not roll back")

    @precondition(lambda self: self.world.recorded)
    @rule(data=st.data())
    def record_twice(self, data: st.DataObject) -> None:
        promise = data.draw(st.sampled_from(self.world.recorded))
        try:
            self.run(self.world.database.write(lambda tx: store.enqueue(tx, [(promise.event_key, b"again")])))
        except EventRecordedTwice:
            return
        raise AssertionError("an event key went in twice")

    @rule(batch=st.integers(1, 300))
    def sequence(self, batch: int) -> None:
        self.run(self.world.database.write(lambda tx: sequencer.sequence(tx, batch)))

    @rule(replica=REPLICAS)
    def step(self, replica: int) -> None:
        self.run(self.replicas[replica].step())

    @rule()
    def step_both_at_once(self) -> None:
        async def both() -> None:
            await asyncio.gather(*(replica.step() for replica in self.replicas))

        self.run(both())

    @rule(replica=REPLICAS)
    def step_without_hsm(self, replica: int) -> None:
        self.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=2)
        try:
            self.run(self.replicas[replica].step())
        except HsmError:
            pass
        finally:
            self.world.provider._failures[Operation.SIGN].clear()

    @rule(seconds=st.sampled_from([1, 600, -5000]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.run(self.world.close())
        self.run(self._open_replicas())

    @rule()
    def back_up(self) -> None:
        size = self.run(self.world.read(store.entry_count))
        self.run(self.world.close())
        self.backup = self.world.backup(), size
        self.run(self._open_replicas())

    @precondition(lambda self: self.backup is not None and max(self._shown_sizes()) > self.backup[1])
    @rule()
    def an_old_backup_is_refused(self) -> None:
        assert self.backup is not None
        self.run(self.world.close())
        current = self.world.backup()
        self.world.restore(self.backup[0])
        signed = self.world.provider.signatures_released
        refused = 0
        self.run(self.world.open())
        for files in self.files:
            try:
                self.run(self.world.on_same_data(files).prepare())
            except LogFrozen:
                refused += 1
        assert refused, "a folder showed more than the backup holds"
        assert self.world.provider.signatures_released == signed
        self.run(self.world.close())
        self.world.restore(current)
        self.run(self._open_replicas())

    @invariant()
    def the_tree_holds_the_acts_in_order_once(self) -> None:
        if not self.replicas:
            return
        stored = self.run(self.world.stored())
        queued = self.run(self.world.read(lambda tx: store.queued(tx, 10**6)))
        assert [entry.index for entry in stored] == list(range(len(stored)))
        everything = [entry.data for entry in stored] + [item.data for item in queued]
        assert everything == [promise.entry for promise in self.world.recorded]
        leaves = [leaf_hash(entry.data) for entry in stored]
        assert self.run(self.world.read(store.read_head)) == TreeHead(len(leaves), root_from_leaves(leaves))

    @invariant()
    def both_folders_show_one_log(self) -> None:
        roots: dict[int, bytes] = {}
        for files in self.files:
            for checkpoint in files.shown:
                assert roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root, "a fork"

    @precondition(lambda self: self.replicas and any(self._shown_sizes()))
    @rule(replica=REPLICAS, data=st.data())
    def prove(self, replica: int, data: st.DataObject) -> None:
        published = self.replicas[replica]._publisher.published
        if published is None or published.head.size == 0:
            return
        index = data.draw(st.integers(0, published.head.size - 1))
        promise = self.world.recorded[index]
        proof = self.run(self.replicas[replica].inclusion_proof(promise.event_key)).tlog_proof
        assert proof is not None
        fact = verify_proof(proof, promise.entry, self.replicas[replica].verifier_keys(), origin=ORIGIN)
        assert fact.index == index

    def _shown_sizes(self) -> list[int]:
        return [0, *(checkpoint.size for files in self.files for checkpoint in files.shown)]


TestLog = LogMachine.TestCase
TestLog.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
