from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kms.app.log_origin import log_origin
from kms.config import Config, LogConfig
from kms.log.keys.succession import Succession
from kms.server.home import Home
from support.log_world import ORIGIN, LogWorld
from support.randomness import SeededRandomness

NEXT = "log.example/next"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LogWorld]:
    world = LogWorld(tmp_path)
    await world.open()
    await world.log.prepare()
    yield world
    await world.close()


async def named(world: LogWorld, tmp_path: Path, origin: str | None = None) -> str:
    config = Config(home=tmp_path, log=LogConfig(origin=origin))
    return await log_origin(config, Home(tmp_path), world.database, SeededRandomness())


async def test_the_home_keeps_the_name(world: LogWorld, tmp_path: Path) -> None:
    assert await named(world, tmp_path) == ORIGIN
    (tmp_path / "log-origin").write_text("another.example/log\n")
    assert await named(world, tmp_path) == "another.example/log", "another database: the log will refuse it"
    assert await named(world, tmp_path, "given.example/log") == "given.example/log"


async def test_the_home_follows_its_log(world: LogWorld, tmp_path: Path) -> None:
    assert await named(world, tmp_path) == ORIGIN
    await Succession(world.database, world.provider, world.log, world.clock).run(NEXT)
    assert await named(world, tmp_path) == NEXT
    assert (tmp_path / "log-origin").read_text() == f"{NEXT}\n"
    (tmp_path / "log-origin").write_text("another.example/log\n")
    assert await named(world, tmp_path) == "another.example/log"
