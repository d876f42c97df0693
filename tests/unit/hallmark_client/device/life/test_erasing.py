from dataclasses import replace

import pytest

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.life.erasing import Erasing
from hallmark_client.device.life.fates import Told
from hallmark_client.device.life.model import Step
from hallmark_client.device.life.store import LifeStore
from hallmark_client.device.model import ArtifactState
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_events.lease import Shred, Suspended, Why
from unit.hallmark_client.device.life.conftest import artifact, command


class Shelf:
    """A vault of facts alone."""

    def __init__(self, root: MemoryRoot, *artifacts) -> None:
        self.root = root
        self.held = {found.artifact_id: found for found in artifacts}
        self.acts: list[tuple[str, ...]] = []
        self.failing: Exception | None = None

    def artifacts(self):
        return tuple(self.held.values())

    def delete(self, *artifacts, caller) -> None:
        self.acts.append(("delete", *(found.name for found in artifacts)))
        for found in artifacts:
            self.held.pop(found.artifact_id)  # a tombstone: gone whatever comes
        if self.failing is not None:
            raise self.failing
        if artifacts:
            self.root.advance(self.root.epoch() + 1)

    def suspend(self, *artifacts, why, caller) -> None:
        self._state(artifacts, ArtifactState.SUSPENDED)

    def resume(self, *artifacts, caller) -> None:
        self._state(artifacts, ArtifactState.AVAILABLE)

    def rotate(self, caller) -> int:
        self.acts.append(("rotate",))
        self.root.advance(self.root.epoch() + 1)
        return self.root.epoch()

    def _state(self, artifacts, state) -> None:
        for found in artifacts:
            self.acts.append((state.value, found.name))
            self.held[found.artifact_id] = replace(found, state=state)


class Bench:
    def __init__(self, folder, *artifacts) -> None:
        self.root = MemoryRoot()
        self.shelf, self.store = Shelf(self.root, *artifacts), LifeStore(folder)
        self.decisions: dict[str, object] = {}
        self.signed: list[tuple[int, int]] = []

    def run(self, told: Told | None = None) -> int:
        return Erasing(
            vault=self.shelf,
            root=self.root,
            store=self.store,
            decision=lambda subject: Use(subject=subject, lease="", decision=self.decisions.get(subject, NotGranted())),
            told=lambda: told or Told(doomed=self.store.doomed()),
            sign=self._sign,
        ).run()

    def _sign(self, work, before: int, after: int):
        self.signed.append((before, after))
        return replace(work, step=Step.SIGNED, receipt=b"made")


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path, artifact("voice"), artifact("face"), artifact("kept"))
    yield bench
    bench.store.close()


def test_a_command_is_carried_out_and_signed(bench) -> None:
    bench.store.ask(command())
    assert bench.run() == 1
    assert bench.shelf.acts == [("delete", "voice")]
    assert bench.signed == [(1, 2)]
    assert bench.run() == 0
    assert bench.signed == [(1, 2)], "once"


def test_several_go_in_one_epoch(bench) -> None:
    bench.store.ask(command(1))
    bench.decisions[artifact("face").subject] = Shred(Why.EXPIRED)
    assert bench.run() == 2
    assert bench.root.epoch() == 2


def test_what_is_not_there_gets_a_receipt_without_an_epoch_of_its_own(bench) -> None:
    bench.store.ask(command(subject="tenants/default/artifacts/never-here"))
    bench.run()
    assert bench.root.epoch() == 1
    assert bench.signed == [(0, 1)]


def test_no_receipt_before_the_deletion_is_whole(bench) -> None:
    bench.store.ask(command())
    bench.shelf.failing = RootUnavailable("ROOT_UNAVAILABLE", "the TPM is away")
    for _ in range(2):
        with pytest.raises(RootUnavailable):
            bench.run()
        assert bench.signed == []
    bench.shelf.failing = None
    bench.run()
    assert bench.shelf.acts[-1] == ("delete",), "the vault was asked to finish what it began"
    assert len(bench.signed) == 1


def test_suspended_and_resumed_by_the_service_alone(bench) -> None:
    subject = artifact("voice").subject
    bench.decisions[subject] = Suspended(Why.SUSPENDED)
    bench.run()
    bench.run()
    assert bench.shelf.acts == [("suspended", "voice"), ("rotate",)]
    bench.decisions.clear()
    bench.run()
    bench.run()
    assert bench.shelf.acts == [("suspended", "voice"), ("rotate",), ("available", "voice")]
    bench.shelf.suspend(artifact("kept"), why="", caller=None)
    bench.run()
    assert bench.shelf.acts[-1] == ("suspended", "kept"), "its owner did that"


def test_a_suspension_closes_the_epoch_before_also_after_a_crash(bench) -> None:
    """Else a copy of the folder from before, put back, would give what was suspended."""
    bench.decisions[artifact("voice").subject] = Suspended(Why.WITHDRAWN)
    rotate = bench.shelf.rotate

    def away(caller):
        raise RootUnavailable("ROOT_UNAVAILABLE", "the chip does not answer")

    bench.shelf.rotate = away
    with pytest.raises(RootUnavailable):
        bench.run()
    bench.shelf.rotate = rotate
    bench.run()
    bench.run()
    assert bench.shelf.acts == [("suspended", "voice"), ("rotate",)]
    assert bench.root.epoch() == 2
