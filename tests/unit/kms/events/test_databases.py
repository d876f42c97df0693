"""What SQL says of feeds is the same on every database."""

from datetime import timedelta
from pathlib import Path

from hallmark.v1 import events_pb2
from kms.events.cleaning import clean
from kms.events.model import GLOBAL, Priority, Status, device_feed
from kms.events.replacing import replace_history
from support.database import fresh_database
from unit.kms.events.bench import TENANT, device_named, event_world, replica_of, start, told

DEVICE = events_pb2.FEED_DEVICE
MINE = device_named(1)


async def test_a_device_lives_on_two_replicas(tmp_path: Path, database_url: str) -> None:
    feed = device_feed(MINE)
    with fresh_database(tmp_path, database_url):
        pass
    async with (
        event_world(tmp_path, database_url) as world,
        replica_of(world) as here,
        replica_of(world, seed=2) as there,
    ):
        await here.act("leases/a", Status.VALID, feeds=[feed], priority=Priority.LEASE)
        async with there.watching(start(), start(DEVICE), device=MINE) as frames:
            assert sorted(told(await frames.take(5))) == [*["FULL CURSOR_MISSING"] * 2, "a", "bookmark", "bookmark"]
            await here.act("keys/b", feeds=[GLOBAL, feed])
            live = await frames.take(4)
        assert sorted(told(live)) == ["b", "b", "bookmark", "bookmark"]
        cursors = {frame.feed: frame.cursor for frame in live if frame.HasField("bookmark")}
        made = await here.act("leases/a", Status.SUSPENDED, feeds=[feed], priority=Priority.LEASE)
        starts = [start(each, cursor) for each, cursor in cursors.items()]
        answer = await here.poll(*starts, device=MINE, ack=[made.id])
        assert sorted(told(answer.sets)) == ["CHANGES", "NONE", "a", "bookmark", "bookmark", "heartbeat"]
        await here.acknowledge(MINE, made.id)
        now = world.clock.now()
        assert await clean(here.database, now + timedelta(days=2)) == 1
        position = await here.events.newest(TENANT, GLOBAL, now)
        await replace_history(here.events, TENANT, position.epoch, now)
        again = await there.poll(*starts, device=MINE)
        assert sorted(told(again.sets)).count("FULL CURSOR_EPOCH") == 2
