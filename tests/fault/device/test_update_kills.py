"""An update is killed at a chosen write of its own or of the vault; the next one goes on, and fetches nothing twice.

After each kill: the old release or the new one is there, whole; no byte of plaintext of the new one is on the disk; the
audit chain holds. Then one more update, not killed: the new release is there, and what was whole was not fetched again.
HALLMARK_FAULT_KILLS: at every step, instead of some.
"""

import os
import random
import secrets
import shutil
import signal
from pathlib import Path

import pytest

from fault.device.vault_world import SteppingDisk, dying_at, failing_at, file_root
from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.updates import NoSpace, UpdateFolder, Updater
from hallmark_client.device.vault import Disk, Vault
from hallmark_client.system import System
from hallmark_release.index import PIECE_SIZE
from support.fault_runs import LONG, SEED
from unit.hallmark_client.device.updates.update_world import APP, CountingSource, no_plaintext
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, later

OLD = {"weights.bin": secrets.token_bytes(5_000)}
NEW = {
    "a.bin": secrets.token_bytes(9 * 1024 * 1024),
    "b.bin": secrets.token_bytes(5 * 1024 * 1024),
    "c.json": b"{}" * 99,
}
FEW = 12


class World:
    """A publisher, and a device that has the first release: `folder` is copied anew for each kill."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "publisher").mkdir()
        self.publisher = Publisher(place / "publisher")
        self.publisher.publish(OLD, epoch=1)
        self.folder = place / "device"
        self.folder.mkdir()
        self.vault(policy=VaultPolicy.allow_own("app")).close()
        assert self.update(Disk())[0] == 1
        self.built = self.publisher.publish(NEW, epoch=2, now=later(hours=1))
        shutil.copytree(self.folder, place / "before")

    def again(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.place / "before", self.folder)

    def vault(self, disk: Disk | None = None, policy: VaultPolicy | None = None) -> Vault:
        root = file_root(self.folder / "root.json", disk)
        return Vault.open(self.folder / "vault", root, policy=policy, disk=disk, now=lambda: NOW)

    def update(self, disk: Disk) -> tuple[int, int]:
        """Version that is installed, bytes that were read of parts."""
        source = CountingSource(self.publisher.served)
        with self.vault(disk) as vault:
            installed = self.updater(vault, source, disk).update(MODEL)
        return installed.artifact.version, source.part_bytes

    def updater(self, vault: Vault, source: CountingSource, disk: Disk) -> Updater:
        return Updater(
            vault,
            source,
            self.publisher.trust,
            key_source=lambda artifact, /, *, epoch: bytearray(self.publisher.content_keys[epoch]),
            folder=self.folder / "updates",
            now=lambda: later(hours=1),
            system=System(sleep=lambda _: None),
            disk=disk,
        )

    def refused(self, disk: Disk) -> bool:
        """Whether an update is refused that has this disk, in a vault that has a good one."""
        with self.vault() as vault:
            try:
                self.updater(vault, CountingSource(self.publisher.served), disk).update(MODEL)
            except NoSpace:
                return True
        return False

    def killed(self, step: int) -> None:
        child = os.fork()
        if child == 0:
            try:
                self.update(dying_at(step))
            finally:
                os._exit(3)  # it was not killed: too few steps
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL

    def whole_bytes(self) -> int:
        """Of pieces that are on their way."""
        folder = UpdateFolder(self.folder / "updates", Disk())
        release = type("Release", (), {"statement": self.built.statement, "index": self.built.index})
        download = folder.download(release)
        whole = 0
        for part in self.built.index.parts:
            there = set(range(len(part.pieces))) - set(download.missing(part))
            whole += sum(min(PIECE_SIZE, part.encrypted_size - number * PIECE_SIZE) for number in there)
        return whole

    def check(self, *, version: int | None = None) -> int:
        """The version that is there, whole."""
        no_plaintext(self.folder, NEW)
        with self.vault() as vault:
            found = vault.find(MODEL)
            assert found.version in ((1, 2) if version is None else (version,))
            for path, data in (OLD if found.version == 1 else NEW).items():
                assert vault.read(MODEL, part=path, caller=APP) == data
            vault.flush()
            vault.audit.verify()
            if version == 2:
                assert [each.version for each in vault.artifacts()] == [2]
                notes = [each.record for each in vault.audit.entries() if each.record.act is AuditAct.UPDATE_INSTALLED]
                done = [each.version for each in notes if each.outcome is AuditOutcome.DONE]
                assert sorted(set(done)) == [1, 2]
            return found.version


@pytest.fixture
def world(fast_folder: Path) -> World:
    return World(fast_folder)


def test_an_update_that_is_killed_goes_on(world: World, record_property) -> None:
    counting = SteppingDisk(lambda *_: None)
    assert world.update(counting) == (2, world.built.index.encrypted_size)
    world.check(version=2)
    steps = list(range(1, counting.steps + 1))
    chosen = steps if LONG else sorted(random.Random(SEED).sample(steps, FEW))
    for step in chosen:
        world.again()
        world.killed(step)
        there = world.check()
        whole = world.whole_bytes()
        version, fetched = world.update(Disk())
        assert version == 2
        assert fetched == (0 if there == 2 else world.built.index.encrypted_size - whole), f"step {step}"
        world.check(version=2)
        assert not [path for path in (world.folder / "updates/downloads").rglob("*") if path.is_file()]
    record_property("fault totals", f"{len(chosen)} of {len(steps)} writes of an update killed")


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from-then-on"])
def test_a_disk_that_is_full_in_the_middle(world: World, lasting: bool) -> None:
    """Of the update's own writes: the vault has the rest in tests of its own."""
    counting = SteppingDisk(lambda *_: None)
    world.refused(counting)
    chosen = range(1, counting.steps + 1) if LONG else random.Random(SEED).sample(range(1, counting.steps + 1), 6)
    refused = 0
    for step in chosen:
        world.again()
        refused += world.refused(failing_at(step, lasting=lasting))
        world.check()
        assert world.update(Disk())[0] == 2
        world.check(version=2)
    assert refused > 0
