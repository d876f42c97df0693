"""Every write of a life of the log fails once: before it was stored, and after. Then the log goes on, or starts again.

Whatever happens: no checkpoint that contradicts another (the public files audit each one), every committed act in the
log exactly once, one root for a size, and the end state is the same as without the fault.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.database import Database
from kms.log.errors import LogFrozen
from support.log_world import LogWorld
from support.public_files import FailingPublicFiles

ACTS = (254, 5)
DATABASE_WRITES = 11
"""State and keys; then sequencing, intent and note for each of three checkpoints, the first of size 0."""


class FailingDatabase(Database):
    """Write number `fail_at` of the log itself (from 0) fails, before or after its commit."""

    writes = 0
    fail_at: int | None = None
    stored_anyway = False

    async def write(self, work: Callable[[sa.Connection], Any]) -> Any:
        number, FailingDatabase.writes = FailingDatabase.writes, FailingDatabase.writes + 1
        fails = number == FailingDatabase.fail_at
        if not fails or FailingDatabase.stored_anyway:
            answer = await super().write(work)
            if not fails:
                return answer
        raise sa.exc.OperationalError("COMMIT", None, Exception("disk I/O error"))


@pytest.fixture
def world(tmp_path: Path) -> LogWorld:
    FailingDatabase.writes, FailingDatabase.fail_at, FailingDatabase.stored_anyway = 0, None, False
    world = LogWorld(tmp_path)
    world.make_database = FailingDatabase
    return world


async def live(world: LogWorld, *, restart: bool) -> int:
    """Start, act, publish; what fails is tried again, after a restart if asked. Returns how often something failed."""
    failures = 0

    async def insist(work: Callable[[], Awaitable[object]], *, is_prepared: bool = True) -> None:
        nonlocal failures
        for _ in range(3):
            try:
                await work()
                return
            except LogFrozen:
                raise
            except Exception:
                failures += 1
                if restart:
                    await world.reopen()
                    if is_prepared:
                        await world.log.prepare()
        raise AssertionError("it failed again and again")

    async def prepare() -> None:
        await world.log.prepare()

    async def step() -> None:
        await world.log.step()

    await world.open()
    await insist(prepare, is_prepared=False)
    await insist(step)
    for count in ACTS:
        fail_at, FailingDatabase.fail_at = FailingDatabase.fail_at, None  # the act's own commit is not the log's
        writes = FailingDatabase.writes
        await world.act(count)
        FailingDatabase.writes, FailingDatabase.fail_at = writes, fail_at
        await insist(step)
    FailingDatabase.fail_at = None
    await world.log.step()
    await world.log.step()
    return failures


async def check(world: LogWorld) -> None:
    stored = await world.stored()
    assert [entry.data for entry in stored] == [promise.entry for promise in world.recorded]
    assert world.audited.shown[-1].size == sum(ACTS)
    sizes = [checkpoint.size for checkpoint in world.audited.shown]
    assert sizes == sorted(sizes)
    unsigned = "SELECT count(*) FROM tlog_checkpoint WHERE note IS NULL"
    assert await world.read(lambda tx: tx.execute(sa.text(unsigned)).scalar()) == 0
    await world.reopen()
    await world.log.prepare()
    await world.close()


async def test_without_faults_it_writes_this_often(world: LogWorld) -> None:
    assert await live(world, restart=False) == 0
    idle = 2 * 2  # the last two steps look for work and for a checkpoint to sign
    assert FailingDatabase.writes - idle == DATABASE_WRITES, "the numbers of the next test reach every write"
    await check(world)


@pytest.mark.parametrize("restart", [False, True], ids=["goes-on", "restarts"])
@pytest.mark.parametrize("stored_anyway", [False, True], ids=["not-stored", "stored-anyway"])
@pytest.mark.parametrize("fail_at", range(DATABASE_WRITES))
async def test_a_database_write_fails(world: LogWorld, fail_at: int, stored_anyway: bool, restart: bool) -> None:
    FailingDatabase.fail_at, FailingDatabase.stored_anyway = fail_at, stored_anyway
    assert await live(world, restart=restart) == 1
    await check(world)


FILE_WRITES = 6
"""The verifier keys; the checkpoint at size 0; for each act the tiles and the checkpoint."""


@pytest.mark.parametrize("restart", [False, True], ids=["goes-on", "restarts"])
@pytest.mark.parametrize("stored_anyway", [False, True], ids=["not-stored", "stored-anyway"])
@pytest.mark.parametrize("fail_at", range(FILE_WRITES))
async def test_a_public_file_fails(world: LogWorld, fail_at: int, stored_anyway: bool, restart: bool) -> None:
    files = FailingPublicFiles(world.audited)
    files.fail_at, files.stored_anyway = fail_at, stored_anyway
    world.files = files
    assert await live(world, restart=restart) == 1
    assert fail_at < files.writes
    await check(world)


@pytest.mark.parametrize("restart", [False, True], ids=["goes-on", "restarts"])
@pytest.mark.parametrize("operation", [Operation.SIGN, Operation.GENERATE])
@pytest.mark.parametrize("times", [1, 2])
async def test_the_hsm_fails(world: LogWorld, operation: Operation, restart: bool, times: int) -> None:
    world.provider.fail_next(operation, TokenUnavailable("gone"), times=times)
    assert await live(world, restart=restart) >= 1
    await check(world)


@pytest.mark.parametrize("steps", range(0, 60, 6))
async def test_cancelled_at_any_moment(world: LogWorld, steps: int) -> None:
    """A task that is cancelled between any two of its awaits leaves nothing that the next one cannot finish."""
    await world.open()
    await world.log.prepare()
    await world.act(ACTS[0])
    task = asyncio.create_task(world.log.step())
    for _ in range(steps):
        await asyncio.sleep(0.0002)
    task.cancel()
    await asyncio.wait([task])
    for count in ACTS[1:]:
        await world.act(count)
        await world.log.step()
    await world.log.step()
    await check(world)
