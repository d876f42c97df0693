"""The bookmark after live events is put off; nothing that vouches for the end overtakes it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kms.events import following
from support.log_world import LogWorld
from unit.kms.events.bench import Replica, device_named, replica_of, start, told

NONCE = b"n" * 16
NEVER = 1000.0


@pytest.fixture
async def patient(world: LogWorld) -> AsyncIterator[Replica]:
    async with replica_of(world, quiet_seconds=NEVER) as replica:
        yield replica


async def test_events_come_at_once_and_one_bookmark_after_all(world: LogWorld) -> None:
    async with replica_of(world, quiet_seconds=0.2) as replica, replica.watching() as frames:
        await frames.take(2)
        for name in "abc":
            await replica.act(f"keys/{name}")
            assert told(await frames.take(1)) == [name]
        (bookmark,) = await frames.take(1)
        assert bookmark.bookmark.sequence == 3
        assert await frames.are_silent()


async def test_who_comes_meanwhile_has_its_first_bookmark_at_once(patient: Replica) -> None:
    async with patient.watching() as waits:
        cursor = (await waits.take(2))[-1].cursor
        await patient.act("keys/a")
        assert told(await waits.take(1)) == ["a"]
        async with patient.watching() as new:
            assert "bookmark" in told(await new.take(3))
        async with patient.watching(start(cursor=cursor)) as back:
            assert told(await back.take(3)) == ["CHANGES", "a", "bookmark"]
        assert await waits.are_silent()


async def test_a_heartbeat_does_not_overtake_it(patient: Replica) -> None:
    async with patient.watching(nonce=NONCE) as frames:
        await frames.take(2)
        await patient.act("keys/a")
        await frames.take(1)
        waiting = asyncio.create_task(frames.take(2))
        await asyncio.sleep(0.02)
        patient.world.clock.advance(37)
        await patient.parts.beats.beat()
        assert told(await waiting) == ["bookmark", "heartbeat"]


async def test_a_goodbye_does_not_overtake_it(patient: Replica) -> None:
    async with patient.watching() as frames:
        await frames.take(2)
        await patient.act("keys/a")
        await frames.take(1)
        waiting = asyncio.create_task(frames.take(2))
        await asyncio.sleep(0.02)
        patient.parts.hub.drain()
        assert told(await waiting) == ["bookmark", "goodbye draining"]


async def test_events_without_end_do_not_keep_it_back_for_ever(world: LogWorld) -> None:
    async with replica_of(world, quiet_seconds=0.1) as replica, replica.watching() as frames:
        await frames.take(2)
        seen: list[str] = []
        number = 0
        while "bookmark" not in seen and number < 100:
            await replica.act(f"artifacts/{number}")
            number += 1
            seen += told(await frames.take(1))
            await asyncio.sleep(0.03)
    assert "bookmark" in seen
    assert number > 2, "it was put off more than once"


async def test_it_goes_out_to_some_streams_at_a_time(world: LogWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_SLICE", 1)
    monkeypatch.setattr(following, "_SLICE_SECONDS", 0.1)
    async with replica_of(world) as replica, replica.watching() as one, replica.watching() as two:
        await one.take(2)
        await two.take(2)
        reading = [asyncio.create_task(frames.take(1)) for frames in (one, two)]
        await asyncio.sleep(0.02)
        await replica.act("keys/a")
        await asyncio.gather(*reading)
        marks = [asyncio.create_task(frames.take(1)) for frames in (one, two)]
        done, left = await asyncio.wait(marks, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(left)) == (1, 1)
        assert [told(frames) for frames in await asyncio.gather(*marks)] == [["bookmark"], ["bookmark"]]


async def test_how_fast_an_event_went_out_is_logged(world: LogWorld, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hallmark.fanout"):
        async with replica_of(world) as replica, replica.watching() as one, replica.watching() as two:
            for frames in (one, two):
                await frames.take(2)
            reading = [asyncio.create_task(frames.take(2)) for frames in (one, two)]
            await asyncio.sleep(0.02)
            await replica.act("keys/a")
            await asyncio.gather(*reading)
    facts: list[dict[str, Any]] = [record.__dict__["facts"] for record in caplog.records if "facts" in record.__dict__]
    assert [each["streams"] for each in facts if "streams" in each] == [2]


async def test_a_revoked_device_is_told_to_who_lets_devices_in(world: LogWorld) -> None:
    revoked: list[str] = []
    async with replica_of(world) as replica:
        replica.parts.hub.revoked = lambda device: revoked.append(str(device))
        async with replica.watching() as frames:
            await frames.take(2)
            mine, feeds = device_named(1), [f"devices/{device_named(1).id}"]
            await replica.act("leases/one", feeds=feeds)
            await replica.act(f"devices/{mine.id}", feeds=feeds)
            await replica.parts.hub.follow()
    assert revoked == [str(mine)]
