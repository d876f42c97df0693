"""A retry that overtakes its first attempt, before any step of it: both get the answer, and the act happens once.

That is what a caller does whose deadline is shorter than the server's work.
"""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fault.kms.keys.test_life_writes import ACTS, Act, summary
from kms.core.database import Database
from kms.core.errors import Aborted, AlreadyExists, Reason
from kms.core.idempotency import RequestKey
from kms.keys.key_update import KeyUpdate
from support.trust_world import NAME, Replica, TrustWorld, trust_world


class Overtaken:
    """A database before whose step `at` (from 0, reads and writes) the same call is made and answered elsewhere."""

    def __init__(self, database: Database, at: int) -> None:
        self.steps = 0
        self.twin: Any = None
        self._database = database
        self._at = at

    async def read(self, work: Any) -> Any:
        await self._step()
        return await self._database.read(work)

    async def write(self, work: Any) -> Any:
        await self._step()
        return await self._database.write(work)

    async def _step(self) -> None:
        step, self.steps = self.steps, self.steps + 1
        if step == self._at:
            await self.twin()


async def rotate_with_an_etag(world: TrustWorld, replica: Replica, request: RequestKey) -> None:
    """The one that the caller read before its first attempt, when the key was new."""
    etag = replace(await world.key(), revision=1).etag
    await replica.rotation.rotate(NAME, etag=etag, request=request, now=world.now, published=False)


CALLS = {name: act for name, act in ACTS.items() if not act.is_clock_work}
CALLS["RotateKey with an etag"] = Act(rotate_with_an_etag)


async def _run(folder: Path, act: Act, at: int) -> tuple[dict[str, Any], int]:
    """The summary, and how many steps the overtaken call had."""
    async with trust_world(folder) as world:
        if act.prepare is not None:
            await act.prepare(world)
        overtaken: Any = Overtaken(world.base.world.database, at)
        request = world.base.request(b"body")
        overtaken.twin = lambda: act.run(world, world.another(71), request)
        await act.run(world, world.another(70, database=overtaken), request)
        return await summary(world), overtaken.steps


@pytest.mark.parametrize("name", CALLS)
async def test_before_any_step_of(name: str, tmp_path: Path) -> None:
    async def in_folder(at: int) -> tuple[dict[str, Any], int]:
        folder = tmp_path / str(at + 1)
        await asyncio.to_thread(folder.mkdir)
        return await _run(folder, CALLS[name], at)

    expected, steps = await in_folder(-1)
    assert steps >= 1
    for at in range(steps):
        found, _ = await in_folder(at)
        assert found == expected, f"overtaken before step {at}"


async def test_somebody_else_s_key_is_still_in_the_way(tmp_path: Path) -> None:
    """What is forgiven is only the call's own work."""
    async with trust_world(tmp_path) as world:
        with pytest.raises(AlreadyExists) as refused:
            await world.base.create(NAME.key)
        assert refused.value.reason is Reason.KEY_EXISTS


@pytest.mark.parametrize("with_etag", [False, True])
async def test_a_label_that_changes_while_the_hsm_makes_a_version(with_etag: bool, tmp_path: Path) -> None:
    """It is in the way of those only who said what they had read."""
    async with trust_world(tmp_path) as world:
        overtaken: Any = Overtaken(world.base.world.database, 1)  # before the write
        change, other = KeyUpdate(labels={"team": "b"}), world.base.request(b"label")
        overtaken.twin = partial(
            world.replica.keys.update, NAME, change, etag="", request=other, now=world.now, published=False
        )
        rotate = partial(world.another(70, database=overtaken).rotation.rotate, NAME, now=world.now, published=False)
        if with_etag:
            with pytest.raises(Aborted):
                await rotate(etag=(await world.key()).etag, request=world.base.request(b"rotate"))
        else:
            after, _, _ = await rotate(request=world.base.request(b"rotate"))
            assert (len(after.versions), after.labels) == (2, {"team": "b"})
