"""A process that was forked from one with an open vault: it gets nothing, and takes nothing away."""

import gc
import os
import shutil
from pathlib import Path

import pytest

from hallmark_client.device.errors import DeviceError, VaultInUse
from hallmark_client.device.model import Caller
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from support.forks import in_child
from unit.hallmark_client.device.vault.device_world import World

OTHER = ArtifactKind.OTHER


def names(folder: Path, root: MemoryRoot) -> list[str]:
    """What a copy of the folder, taken at this moment as by a power cut, holds."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with Vault.open(copy, MemoryRoot(root.state)) as vault:
        return [artifact.name for artifact in vault.artifacts()]


@pytest.mark.parametrize("end", ["closes", "forgets"])
def test_what_the_parent_stores_after_a_fork_is_on_disk(end: str, world: World) -> None:
    """SQLite in the child would take the log away that the parent writes to."""
    vault = world.open()
    vault.put([b"x"], name="before", kind=OTHER)

    def act() -> None:
        nonlocal vault
        if end == "closes":
            vault.close()
        else:
            world.vault = None
            del vault
            gc.collect()

    assert in_child(act) == 0
    vault.put([b"x"], name="after", kind=OTHER)
    assert names(world.folder, world.root) == ["after", "before"]
    vault.delete("before")
    assert names(world.folder, world.root) == ["after"]


def test_a_child_uses_nothing_of_it(world: World, app: Caller) -> None:
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    reader = vault.get("m", caller=app)

    def act() -> None:
        for use in (
            lambda: reader.pread(0, 1),
            lambda: vault.get("m", caller=app),
            lambda: vault.put([b"y"], name="n", kind=OTHER),
            lambda: vault.secret("s"),
            vault.delete,
        ):
            with pytest.raises(VaultInUse):
                use()
        assert vault._state.epochs.key.secret == bytes(32)

    assert in_child(act) == 0
    assert reader.pread(0, 1) == b"x"
    assert vault.read("m", caller=app) == b"x"


def test_a_child_that_lives_on_does_not_keep_the_vault_locked(world: World) -> None:
    vault = world.open()
    begun, wait = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(begun[1], b"x")
        os.close(wait[1])
        os.read(wait[0], 1)
        os._exit(0)
    try:
        os.read(begun[0], 1)
        vault.close()
        with pytest.raises(DeviceError):
            vault.artifacts()
        world.open()
    finally:
        os.close(wait[1])
        os.waitpid(child, 0)
        for descriptor in (*begun, wait[0]):
            os.close(descriptor)
