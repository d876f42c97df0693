"""A server that lost events it had told: restored from a backup, failed over to a replica that was behind."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark.v1 import events_pb2
from hallmark_events.state import FeedState
from kms.core.database import Database
from kms.events import store
from kms.events.model import GLOBAL, device_feed
from kms.events.replacing import replace_history
from kms.events.tables import event, feed, feed_event, feed_subject
from support.log_world import LogWorld
from unit.kms.events.bench import TENANT, Replica, device_named, fold, replica_of, start, told

DEVICE = events_pb2.FEED_DEVICE
MINE = device_named(1)


def _snapshot(tx: Connection) -> dict[Any, list[Any]]:
    return {table: [row._asdict() for row in tx.execute(table.select())] for table in (feed, feed_event, feed_subject)}


async def _backup(replica: Replica) -> dict[Any, list[Any]]:
    return await replica.database.read(_snapshot)


async def _restore(replica: Replica, backup: dict[Any, list[Any]]) -> None:
    def work(tx: Connection) -> None:
        for table, rows in backup.items():
            tx.execute(table.delete())
            if rows:
                tx.execute(table.insert(), rows)

    await replica.database.write(work)


async def _restarts(database: Database) -> list[Any]:
    """Details of what the log says of new histories, in its queue or sequenced."""

    def read(tx: Connection) -> list[Any]:
        query = "SELECT data FROM tlog_entry UNION ALL SELECT data FROM tlog_queue"
        entries = [json.loads(bytes(data)) for data in tx.execute(sa.text(query)).scalars()]
        return [entry["details"] for entry in entries if entry["type"] == "feeds.restarted"]

    return await database.read(read)


async def test_a_backup_that_came_back_begins_a_new_history(replica: Replica, world: LogWorld) -> None:
    await replica.act("keys/a")
    backup = await _backup(replica)
    await replica.act("keys/lost")
    state = FeedState()
    async with replica.watching() as frames:
        sent = await frames.until_bookmark()
    fold(state, sent)
    await _restore(replica, backup)
    async with replica_of(world, seed=2) as again:
        async with again.watching(start(cursor=sent[-1].cursor)) as frames:
            resumed = await frames.until_bookmark()
        assert told(resumed) == ["FULL CURSOR_EPOCH", "a", "bookmark"]
        assert resumed[0].intent.epoch > sent[0].intent.epoch
        fold(state, resumed)
        async with again.watching(start(cursor=resumed[-1].cursor)) as frames:
            assert told(await frames.take(2)) == ["NONE", "bookmark"]


async def test_another_event_at_the_same_number_is_noticed(replica: Replica, world: LogWorld) -> None:
    backup = await _backup(replica)
    await replica.act("keys/lost")
    async with replica.watching() as frames:
        cursor = (await frames.until_bookmark())[-1].cursor
    await _restore(replica, backup)
    async with replica_of(world, seed=2) as again:
        await again.act("keys/b")
        async with again.watching(start(cursor=cursor)) as frames:
            assert told(await frames.take(3)) == ["FULL CURSOR_EPOCH", "b", "bookmark"]


async def test_live_streams_notice_it_too(replica: Replica) -> None:
    await replica.act("keys/a")
    await replica.parts.hub.follow()
    backup = await _backup(replica)
    async with replica.watching(start(), start(DEVICE), device=MINE) as frames:
        await frames.take(5)
        await replica.act("keys/lost", feeds=[GLOBAL, device_feed(MINE)])
        assert sorted(told(await frames.take(4))) == ["bookmark", "bookmark", "lost", "lost"]
        await _restore(replica, backup)
        again = await frames.take(5)
    assert sorted(told(again)) == ["FULL CURSOR_EPOCH", "FULL CURSOR_EPOCH", "a", "bookmark", "bookmark"]


async def test_two_replicas_begin_one_new_history(replica: Replica, world: LogWorld) -> None:
    await replica.act("keys/a")
    now = world.clock.now()
    before = (await replica.events.newest(TENANT, GLOBAL, now)).epoch
    async with replica_of(world, seed=2) as other:
        await replace_history(replica.events, TENANT, before, now)
        begun = (await replica.events.newest(TENANT, GLOBAL, now)).epoch
        await replace_history(other.events, TENANT, before, now)
    assert (await replica.events.newest(TENANT, GLOBAL, now)).epoch == begun > before
    assert await _restarts(replica.database) == [{"epoch": begun.hex(), "reason": "events-lost"}], (
        "the log says it once"
    )


async def test_a_clock_that_was_set_back_makes_no_smaller_epoch(replica: Replica, world: LogWorld) -> None:
    await replica.act("keys/a")
    before = (await replica.events.newest(TENANT, GLOBAL, world.clock.now())).epoch
    world.clock.jump(-86_400)
    await replace_history(replica.events, TENANT, before, world.clock.now())
    assert (await replica.events.newest(TENANT, GLOBAL, world.clock.now())).epoch > before


async def test_an_operator_may_begin_a_new_history(replica: Replica) -> None:
    await replica.act("keys/a")
    async with replica.watching() as frames:
        cursor = (await frames.until_bookmark())[-1].cursor
        await replica.database.write(lambda tx: store.replace_epoch(tx, TENANT, b"\xff" * 16))
        assert told(await frames.take(3)) == ["FULL CURSOR_EPOCH", "a", "bookmark"]
    async with replica.watching(start(cursor=cursor)) as frames:
        assert told(await frames.take(3)) == ["FULL CURSOR_EPOCH", "a", "bookmark"]


async def test_an_event_that_was_cleaned_away_is_a_cursor_too_old(replica: Replica) -> None:
    feeds = [device_feed(MINE)]
    first = await replica.act("leases/a", feeds=feeds)
    async with replica.watching(start(DEVICE), device=MINE) as frames:
        cursor = (await frames.until_bookmark())[-1].cursor
    await replica.act("leases/b", feeds=feeds)

    def forget(tx: Connection) -> None:
        tx.execute(feed_event.delete().where(feed_event.c.event == first.id))
        tx.execute(feed_subject.delete().where(feed_subject.c.event == first.id))
        tx.execute(event.delete().where(event.c.id == first.id))

    await replica.database.write(forget)
    async with replica.watching(start(DEVICE, cursor), device=MINE) as frames:
        assert told(await frames.take(3)) == ["FULL CURSOR_EXPIRED", "b", "bookmark"]
