"""Parts, services that need them, readiness."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from kms.server.health import Health
from kms.server.health_pages import page
from support.clock import FakeClock


@dataclass
class Part:
    problem: str = ""
    asked: int = 0

    async def __call__(self) -> str:
        self.asked += 1
        return self.problem


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    database: Part = field(default_factory=Part)
    hsm: Part = field(default_factory=Part)

    def health(self, *, ready_without_hsm: bool = True, started: bool = True) -> Health:
        made = Health(self.clock, self.draining)
        made.add("database", self.database, for_readiness=True)
        made.add("hsm", self.hsm, for_readiness=not ready_without_hsm)
        made.need({"hallmark.v1.SigningService": ("database", "hsm"), "hallmark.v1.EventService": ("database",)})
        if started:
            made.started.set()
        return made


async def metrics() -> bytes:
    return b"up 1\n"


async def status(health: Health, path: str) -> int:
    return (await page(path, health, metrics))[0]


async def test_hsm_away_is_not_the_process_away() -> None:
    world = World(hsm=Part("TOKEN_NOT_FOUND: gone"))
    health = world.health()
    assert await health.problem("") == ""
    assert await health.problem("hsm") == "TOKEN_NOT_FOUND: gone"
    assert await health.problem("hallmark.v1.EventService") == ""
    assert await health.problem("hallmark.v1.SigningService") == "hsm: TOKEN_NOT_FOUND: gone"
    assert await health.problem("made.up") is None
    assert [await status(health, path) for path in ("/livez", "/readyz", "/readyz/hsm")] == [200, 200, 503]


async def test_where_each_replica_has_its_own_hsm_it_counts() -> None:
    health = World(hsm=Part("gone")).health(ready_without_hsm=False)
    assert [await status(health, path) for path in ("/livez", "/readyz", "/healthz")] == [200, 503, 503]


async def test_a_database_that_is_away() -> None:
    health = World(database=Part("gone")).health()
    assert [await status(health, path) for path in ("/livez", "/readyz", "/startupz")] == [200, 503, 200]


async def test_before_the_start_and_while_closing() -> None:
    world = World()
    health = world.health(started=False)
    assert [await status(health, path) for path in ("/livez", "/startupz", "/readyz")] == [200, 503, 503]
    health.started.set()
    assert [await status(health, path) for path in ("/startupz", "/readyz")] == [200, 200]
    world.draining.set()
    assert [await status(health, path) for path in ("/livez", "/startupz", "/readyz")] == [200, 200, 503]
    assert await health.problem("hsm") == "the server is closing"


async def test_a_part_is_asked_once_a_second() -> None:
    world = World()
    health = world.health()
    await asyncio.gather(*(health.problem("hsm") for _ in range(50)))
    assert world.hsm.asked == 1
    world.clock.advance(1.1)
    await health.problem("hsm")
    assert world.hsm.asked == 2


async def test_a_part_that_does_not_answer_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.server.health.LATE_SECONDS", 0.01)
    health = Health(FakeClock(), asyncio.Event())

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    health.add("database", never)
    assert "does not answer" in str(await health.problem("database"))


async def test_everything_as_json() -> None:
    health = World(hsm=Part("gone")).health()
    code, kind, body = await page("/healthz", health, metrics)
    document = json.loads(body)
    assert (code, kind, document["status"]) == (200, "application/json", "degraded")
    assert document["parts"] == {"database": {"up": True, "problem": ""}, "hsm": {"up": False, "problem": "gone"}}


@pytest.mark.parametrize("path", ["/", "/nothing", "/readyz/nothing", "/metrics/x/y", "/../etc/passwd"])
async def test_what_is_no_page(path: str) -> None:
    assert await status(World().health(), path) == 404
