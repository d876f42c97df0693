from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark.v1 import events_pb2
from kms.core.errors import InvalidArgument, PermissionDenied, Reason, ServiceError, Unavailable
from kms.core.names import ChildName
from kms.events.model import GLOBAL, device_feed
from kms.events.ports import Delivery, EventObservers
from kms.events.tables import acknowledgement
from support.log_world import LogWorld
from unit.kms.events.bench import Replica, caller_of, device_named, replica_of, start

DEVICE = events_pb2.FEED_DEVICE
MINE, HERS = device_named(1), device_named(2)
ERROR = events_pb2.SetError(err="invalid_key", description="not one of ours")


@dataclass
class Listener:
    """Both observers."""

    applied: list[tuple[str, str, str]] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)
    failure: ServiceError | None = None

    def acknowledged_in(self, tx: Connection, device: ChildName, event_id: str, error: str, now: datetime) -> None:
        assert tx.in_transaction()
        self.applied.append((device.id, event_id, error))

    async def delivered(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent += deliveries


async def _stored(replica: Replica) -> dict[tuple[str, str], str]:
    rows = await replica.database.read(lambda tx: tx.execute(sa.select(acknowledgement)).all())
    return {(row.device, row.event): row.error for row in rows}


async def test_what_was_applied_is_stored_once_and_told_once(world: LogWorld) -> None:
    listener = Listener()
    async with replica_of(world, observers=EventObservers(acknowledged=listener)) as replica:
        mine = await replica.act("leases/a", feeds=[device_feed(MINE)])
        everybodys = await replica.act("keys/a")
        for _ in range(2):
            await replica.acknowledge(MINE, mine.id, everybodys.id)
        assert await _stored(replica) == {(MINE.id, mine.id): "", (MINE.id, everybodys.id): ""}
    assert sorted(listener.applied) == sorted([(MINE.id, mine.id, ""), (MINE.id, everybodys.id, "")])


async def test_what_failed_may_be_applied_later_and_never_the_other_way(world: LogWorld) -> None:
    listener = Listener()
    async with replica_of(world, observers=EventObservers(acknowledged=listener)) as replica:
        made = await replica.act("leases/a", feeds=[device_feed(MINE)])
        for _ in range(2):
            await replica.acknowledge(MINE, set_errs={made.id: ERROR})
        assert await _stored(replica) == {(MINE.id, made.id): "invalid_key"}
        await replica.acknowledge(MINE, made.id)
        await replica.acknowledge(MINE, set_errs={made.id: ERROR})
        assert await _stored(replica) == {(MINE.id, made.id): ""}
    assert [error for *_, error in listener.applied] == ["invalid_key", ""]


async def test_events_of_others_and_unknown_ones_are_ignored_alike(replica: Replica) -> None:
    hers = await replica.act("leases/hers", feeds=[device_feed(HERS)])
    foreign = await replica.act("keys/theirs", tenant="other")
    service = replica.parts.servicer.acknowledgements
    now = replica.world.clock.now()
    unknown = "01900000-0000-7000-8000-000000000000"
    counted = await service.acknowledge(MINE, dict.fromkeys([hers.id, foreign.id, unknown], ("", "")), now)
    assert (counted.stored, counted.ignored) == (0, 3)
    await replica.acknowledge(MINE, "not a jti", unknown)
    assert await _stored(replica) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"ack": ["x"] * 1001},
        {"ack": ["x" * 65]},
        {"set_errs": {"x": events_pb2.SetError(err="")}},
        {"set_errs": {"x": events_pb2.SetError(err="a b")}},
        {"set_errs": {"x": events_pb2.SetError(err="e", description="a\x00")}},
        {"set_errs": {"x": events_pb2.SetError(err="e", description="a" * 513)}},
    ],
)
async def test_bounds(replica: Replica, fields: dict) -> None:
    request = events_pb2.AcknowledgeEventsRequest(parent="tenants/default", **fields)
    with pytest.raises(InvalidArgument):
        await replica.parts.servicer.AcknowledgeEvents(request, replica.call("AcknowledgeEvents", caller_of(MINE)))


async def test_only_devices_acknowledge(replica: Replica) -> None:
    request = events_pb2.AcknowledgeEventsRequest(parent="tenants/default")
    with pytest.raises(PermissionDenied):
        await replica.parts.servicer.AcknowledgeEvents(request, replica.call("AcknowledgeEvents", caller_of(None)))


async def test_deliveries_are_told_together_and_again_after_an_error(world: LogWorld) -> None:
    listener = Listener(failure=Unavailable(Reason.DATABASE_UNAVAILABLE, "away"))
    async with replica_of(world, observers=EventObservers(delivered=listener)) as replica:
        first = await replica.act("leases/a", feeds=[device_feed(MINE)])
        await replica.act("keys/everybodys", feeds=[GLOBAL])
        async with replica.watching(start(), start(DEVICE), device=MINE) as frames:
            await frames.take(6)
        await replica.poll(start(DEVICE), device=MINE)
        await replica.parts.hub.deliveries.tell()
        assert listener.sent == []
        listener.failure = None
        await replica.parts.hub.deliveries.tell()
        await replica.parts.hub.deliveries.tell()
    assert listener.sent == [Delivery(MINE, (first.id,))] * 2


async def test_what_was_put_into_the_feed_of_a_device_is_told_on_every_replica(world: LogWorld) -> None:
    grown: list[ChildName] = []
    observers = EventObservers(grown=grown.append)
    async with (
        replica_of(world) as here,
        replica_of(world, seed=2, observers=observers) as there,
        there.watching() as frames,
    ):
        await frames.take(2)
        await here.act("keys/everybodys")
        await here.act(f"devices/{HERS.id}", feeds=["revocations", device_feed(HERS)], revision=1)
        await there.parts.hub.follow()
    assert grown == [HERS]
