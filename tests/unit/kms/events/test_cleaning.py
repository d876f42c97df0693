from datetime import timedelta

import sqlalchemy as sa

from kms.events.cleaning import RETENTION, clean
from kms.events.model import Batch, Priority, Status, device_feed
from kms.events.tables import batch, event, feed_event
from kms.log.model import promise_of
from unit.kms.events.bench import Replica, device_named

FEED = device_feed(device_named(1))


async def _left(replica: Replica) -> set[str]:
    return set(await replica.database.read(lambda tx: tx.execute(sa.select(event.c.id)).scalars().all()))


async def test_replaced_leases_go_and_everything_else_stays(replica: Replica) -> None:
    old = await replica.act("leases/a", Status.VALID, feeds=[FEED], priority=Priority.LEASE)
    urgent = await replica.act("consents/a", Status.SUSPENDED, feeds=[FEED])
    urgent_too = await replica.act("consents/a", Status.VALID, feeds=[FEED])
    held = await replica.act("leases/b", Status.VALID, feeds=[FEED], priority=Priority.LEASE, held=True)
    only = await replica.act("leases/c", Status.VALID, feeds=[FEED], priority=Priority.LEASE)
    new = await replica.act("leases/a", Status.VALID, feeds=[FEED], priority=Priority.LEASE)
    now = replica.world.clock.now()
    assert await clean(replica.database, now + RETENTION) == 0
    assert await clean(replica.database, now + RETENTION + timedelta(seconds=1)) == 1
    assert await _left(replica) == {each.id for each in (urgent, urgent_too, held, only, new)}
    places = await replica.database.read(lambda tx: tx.execute(sa.select(feed_event.c.event)).scalars().all())
    assert old.id not in places
    assert await clean(replica.database, now + timedelta(days=9)) == 0


async def test_a_batch_goes_with_its_last_event(replica: Replica) -> None:
    first = await replica.act("leases/a", Status.VALID, feeds=[FEED], priority=Priority.LEASE)
    await replica.act("leases/a", Status.VALID, feeds=[FEED], priority=Priority.LEASE)
    made = Batch(id=first.id, tenant="default", tree_size=1, promise=promise_of(first.id, b"{}"))
    values = {"leaf_hash": made.promise.leaf_hash, "entry": made.promise.entry}

    def put(tx: sa.Connection) -> None:
        tx.execute(batch.insert().values(id=made.id, tenant=made.tenant, tree_size=1, **values))
        tx.execute(event.update().where(event.c.id == first.id).values(batch=made.id, batch_index=0, batch_path=b""))

    await replica.database.write(put)
    await clean(replica.database, replica.world.clock.now() + timedelta(days=2))
    assert await replica.database.read(lambda tx: tx.execute(sa.select(batch)).all()) == []
