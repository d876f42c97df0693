"""The clock goes back a day, ahead a year and back again, while the log runs, across restarts and across kills.

No entry is lost, publishing goes on, and no reader ever sees the time in a checkpoint go back.
"""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hallmark_tlog.verify import open_checkpoint
from hsm.testing import FakeKeyProvider
from kms.core.errors import Unavailable
from kms.log import store
from kms.public.files import PublicFile, Unless
from support.fault_runs import LOG_KILLS, SEED
from support.log_kill_nursery import Nursery
from support.log_kill_reign import Reign
from support.log_world import ORIGIN, LogWorld
from support.public_files import AuditedPublicFiles

DAY, YEAR = 86_400.0, 366 * 86_400.0
JUMPS = (-DAY, YEAR + DAY, -YEAR, 0.5, -DAY, DAY + YEAR, -YEAR - DAY)


class TimedPublicFiles(AuditedPublicFiles):
    """Keeps the time of every checkpoint shown."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.times: list[int] = []

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        await super().replace(file, unless=unless)
        if file.path == "checkpoint":
            signers = open_checkpoint(self.contents["checkpoint"], self.verifier_keys(), origin=ORIGIN).signers
            self.times.append(max(signer.timestamp or 0 for signer in signers))


@pytest.fixture
def world(tmp_path: Path) -> LogWorld:
    world = LogWorld(tmp_path)
    world.files = world.audited = TimedPublicFiles(ORIGIN)
    return world


def _check(world: LogWorld) -> None:
    times = world.audited.times
    assert times == sorted(times), "time went back in front of readers"
    assert world.audited.shown[-1].size == len(world.recorded), "everything is published"


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "across-restarts"])
@pytest.mark.parametrize("first", range(len(JUMPS)))
async def test_the_clock_jumps(world: LogWorld, first: int, restarts: bool) -> None:
    await world.open()
    await world.log.prepare()
    await world.act(3)
    await world.log.step()
    for jump in JUMPS[first:] + JUMPS[:first]:
        world.clock.jump(jump)
        if restarts:
            await world.reopen()
            await world.log.prepare()
        shown = len(world.audited.shown)
        await world.act(2)
        await world.log.step()
        world.clock.advance(1000)  # longer than a checkpoint stays the newest without being signed again
        await world.log.step()
        assert len(world.audited.shown) >= shown + 1, "publishing goes on"
        _check(world)
    stored = await world.stored()
    assert [entry.data for entry in stored] == [promise.entry for promise in world.recorded]
    await world.close()


def _fails(*_: object) -> None:
    raise sa.exc.OperationalError("COMMIT", None, Exception("disk I/O error"))


@pytest.mark.parametrize("back", [-5.0, -DAY, -YEAR])
async def test_a_clock_that_came_back_after_a_crash_between_showing_a_note_and_storing_it(
    world: LogWorld, back: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open()
    await world.log.prepare()
    await world.act(3)
    await world.log.step()
    await world.act(3)
    world.clock.jump(YEAR)
    with monkeypatch.context() as patch:
        patch.setattr(store, "store_note", _fails)
        with pytest.raises(Unavailable):
            await world.log.step()
    assert world.audited.shown[-1].size == 6, "it was shown"
    world.clock.jump(back)
    await world.reopen()
    await world.log.prepare()
    await world.act()
    await world.log.step()
    await world.log.step()
    _check(world)
    await world.close()


class SlowSigner(FakeKeyProvider):
    """Its first checkpoint signature takes as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.is_slow = False

    async def sign_ed25519(self, *arguments: Any, **named: Any) -> bytes:
        if self.is_slow:
            self.is_slow = False
            self.is_asked.set()
            await self.may_go_on.wait()
        return await super().sign_ed25519(*arguments, **named)


async def test_a_slow_replica_does_not_take_the_time_back(world: LogWorld) -> None:
    """Both sign what neither has stored; the clock is one and the same."""
    world.provider = provider = SlowSigner()
    slow = await world.open()
    await slow.prepare()
    await slow.step()
    await world.act(3)
    provider.is_slow = True
    stepping = asyncio.create_task(slow.step())
    await provider.is_asked.wait()
    world.clock.advance(5)
    fast = world.on_same_data(world.files)
    await fast.prepare()
    await fast.step()
    assert world.audited.shown[-1].size == 3
    provider.may_go_on.set()
    await stepping
    _check(world)
    await world.close()


def test_kills_while_every_life_has_another_clock(tmp_path: Path, record_property) -> None:
    kills = max(8, LOG_KILLS // 10)
    with Nursery() as nursery:
        reign = Reign(nursery, tmp_path, f"sqlite:///{tmp_path / 'log.db'}", [tmp_path / "public"], SEED)
        reign.clocks = (0.0, -DAY, YEAR, *itertools.repeat(60.0, 2))
        reign.prepare()
        reign.run(kills)
        size = reign.check()
    assert reign.book.back_in_time == []
    record_property("fault facts", f"{kills} kills of a log whose clock jumps by a year: {size} entries, nothing lost")
