"""A vault in many hands at once."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hallmark_client.device.errors import ArtifactExists, ArtifactSuspended, ArtifactUnknown, LimitReached, StoreFailed
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import Callers, MaxUses, Operation, Rule, VaultPolicy
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World

OTHER = ArtifactKind.OTHER


def content(number: int) -> bytes:
    return hashlib.shake_256(b"%d" % number).digest(40_000)


def test_puts_reads_and_deletions_beside_each_other(vault: Vault, app: Caller) -> None:
    vault.put([b"kept"], name="kept", kind=OTHER)

    def life(number: int) -> None:
        name = f"m{number}"
        for version in range(3):
            vault.put([content(number)], name=name, kind=OTHER, version=version)
            assert vault.read(name, caller=app) == content(number)
            assert vault.read("kept", caller=app) == b"kept"
        vault.delete(name)
        with pytest.raises(ArtifactUnknown):
            vault.read(name, caller=app)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(life, range(6)))
    assert [artifact.name for artifact in vault.artifacts()] == ["kept"]
    assert vault.audit.verify() == vault.audit.head()


def test_one_of_two_that_store_the_same_name_wins(vault: Vault, app: Caller, tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def put(number: int) -> int | None:
        def pieces() -> Iterator[bytes]:
            both.wait(10)
            yield content(number)

        try:
            vault.put(pieces(), name="m", kind=OTHER)
        except ArtifactExists:
            return None
        return number

    with ThreadPoolExecutor(2) as pool:
        winners = [number for number in pool.map(put, range(2)) if number is not None]
    assert len(winners) == 1
    assert vault.read("m", caller=app) == content(winners[0])
    assert len([path for path in (tmp_path / "vault" / "blobs").rglob("*") if path.is_file()]) == 1


def test_a_vault_that_is_closed_under_a_put_keeps_nothing_half(world: World, app: Caller) -> None:
    vault = world.open()

    def pieces() -> Iterator[bytes]:
        vault.close()
        yield content(1)

    with pytest.raises(StoreFailed):
        vault.put(pieces(), name="m", kind=OTHER)
    again = world.open()
    assert again.artifacts() == ()
    assert not [path for path in (world.folder / "blobs").rglob("*") if path.is_file()]


def test_two_at_once_do_not_share_the_last_use(world: World, app: Caller) -> None:
    own = Callers(applications=("app",))
    rule = Rule(operations=(Operation.GET,), callers=own, max_uses=MaxUses(uses=1))
    world.policy = VaultPolicy(version=1, kinds={"*": rule})
    both = threading.Barrier(2)

    class Slow:
        def check(self, _: object) -> None:
            both.wait(10)

    world.permissions = Slow()
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)

    def read() -> bool:
        try:
            return vault.read("m", caller=app) == b"x"
        except LimitReached:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda _: read(), range(2))) == [False, True]


async def test_a_cancelled_put_leaves_nothing(vault: Vault, tmp_path: Path) -> None:
    arrived = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield content(1)
            arrived.set()

    task = asyncio.create_task(vault.put_async(endless(), name="m", kind=OTHER))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert vault.artifacts() == ()
    assert not [path for path in (tmp_path / "vault" / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("act", ["delete", "suspend", "close"])
def test_a_long_read_ends_with_the_artifact(act: str, vault: Vault, app: Caller) -> None:
    """It does not hold up the deletion, and gives no more than the piece that was under way."""
    piece = 4 * 1024 * 1024
    vault.put([bytes(piece)] * 4, name="m", kind=OTHER)
    reader = vault.get("m", caller=app)
    begun, go_on = threading.Event(), threading.Event()
    read_into, pieces = reader._file.read_into, []

    def slow(offset: int, buffer: memoryview) -> int:
        pieces.append(offset)
        count = read_into(offset, buffer)
        begun.set()
        assert go_on.wait(10)
        return count

    reader._file.read_into = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(reader.readall)
        assert begun.wait(10)
        end = {"delete": lambda: vault.delete("m"), "suspend": lambda: vault.suspend("m"), "close": vault.close}[act]
        end()
        go_on.set()
        with pytest.raises((ArtifactUnknown, ArtifactSuspended, StoreFailed)):
            reading.result()
    assert pieces == [0]


def test_nothing_is_left_of_the_key_when_a_reader_has_ended(vault: Vault, app: Caller) -> None:
    vault.put([b"x"], name="m", kind=OTHER)
    reader = vault.get("m", caller=app)
    file = reader._file
    vault.delete("m")
    assert file._message is None
    assert bytes(file._cache) == bytes(len(file._cache))
