"""The publisher of snapshots dies between any two files: what readers see verifies, and the next one goes on."""

import asyncio
from pathlib import Path

import pytest

from kms.events.model import Status
from kms.status import lists, store
from support.killed_files import Killed, KilledFiles
from support.public_files import MemoryPublicFiles
from unit.kms.status.bench import TENANT, StatusBench, make_schedule, status_running


async def _published_once(bench: StatusBench, files: MemoryPublicFiles) -> str:
    """A first snapshot, and then something to tell. Gives the subject that it is about."""
    subject = await bench.subject()
    await bench.service.revoke_keys("manifest")
    assert await make_schedule(bench.service, files).step() == 1
    await bench.set(subject, Status.INVALID)
    bench.service.clock.advance(60)
    return subject


async def _attempt(bench: StatusBench, files: KilledFiles) -> None:
    """As the loop does it, but a death is not survived."""
    publisher = make_schedule(bench.service, files).publisher
    made = await publisher.make(TENANT, bench.service.clock.now())
    assert made is not None
    await publisher.publish(made, bench.service.clock.now())


async def _writes(folder: Path) -> int:
    async with status_running(folder) as bench:
        files = KilledFiles(MemoryPublicFiles())
        await _published_once(bench, files.inner)
        await _attempt(bench, files)
        return files.writes


async def test_it_dies_between_any_two_files(tmp_path: Path) -> None:
    """One world for all deaths: after each the next publisher, as after a restart, finishes what it finds."""
    for name in ("counted", "killed"):
        await asyncio.to_thread((tmp_path / name).mkdir)
    count = await _writes(tmp_path / "counted")
    assert count >= 9, "set files, manifest with signature and proof, tokens, and the three that change"
    async with status_running(tmp_path / "killed") as bench:
        memory = MemoryPublicFiles()
        await _published_once(bench, memory)
        follower = bench.reader(memory.fetch)
        number = follower.update(bench).manifest.number
        for at in range(count):
            for stored in (False, True):
                with pytest.raises(Killed):
                    await _attempt(bench, KilledFiles(memory, at, stored=stored))
                bench.reader(memory.fetch).update(bench)
                follower.update(bench)
                number = await _goes_on(bench, memory, number)
                assert follower.update(bench).manifest.number == number
                fresh = bench.reader(memory.fetch)
                fresh.update(bench)
                assert follower.held == fresh.held
                subject = await bench.subject()
                await bench.set(subject, Status.INVALID)
                bench.service.clock.advance(60)
        changes = await bench.service.database.read(lambda tx: lists.changes(tx, TENANT))
        assert len(changes) == 1, "what is told is not kept; the last one is not told yet"


async def _goes_on(bench: StatusBench, memory: MemoryPublicFiles, before: int) -> int:
    """After a restart one look is enough, and it brings exactly one more number."""
    assert await make_schedule(bench.service, memory).step() == 1
    kept = await bench.service.database.read(lambda tx: store.kept(tx, TENANT))
    assert all(each.published for each in kept)
    assert kept[0].number == before + 1
    return kept[0].number
