"""A device learns nothing about another: no number, no wake-up, no error that depends on what others do."""

import pytest

from hallmark.v1 import events_pb2
from kms.events.model import Status, device_feed
from kms.events.subscriber import Subscriber
from unit.kms.events.bench import REVOKED, Replica, device_named, start, told

DEVICE = events_pb2.FEED_DEVICE
MINE, HERS = device_named(1), device_named(2)


async def test_two_devices_are_sent_the_same_whatever_others_have(replica: Replica) -> None:
    for number in range(5):
        await replica.act(f"leases/{number}", Status.VALID, feeds=[device_feed(HERS)])
    await replica.act(f"devices/{HERS.id}", feeds=[device_feed(HERS)], uri=REVOKED)
    first = (await replica.poll(start(DEVICE), device=MINE)).sets
    second = (await replica.poll(start(DEVICE), device=device_named(3))).sets
    assert told(first) == told(second) == ["FULL CURSOR_MISSING", "bookmark", "heartbeat"]
    assert [frame.bookmark for frame in first] == [frame.bookmark for frame in second]
    assert [frame.intent for frame in first] == [frame.intent for frame in second]


async def test_nobody_is_woken_by_what_concerns_another(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    wake = Subscriber.wake

    def noted(subscriber: Subscriber) -> None:
        assert subscriber.device is not None
        woken.append(subscriber.device.device.id)
        wake(subscriber)

    async with (
        replica.watching(start(DEVICE), device=MINE) as mine,
        replica.watching(start(DEVICE), device=HERS) as hers,
    ):
        await mine.take(2)
        await hers.take(2)
        monkeypatch.setattr(Subscriber, "wake", noted)
        await replica.act("leases/hers", feeds=[device_feed(HERS)])
        assert told(await hers.take(2)) == ["hers", "bookmark"]
        assert await mine.are_silent()
        monkeypatch.undo()
    assert set(woken) == {HERS.id}


async def test_a_cursor_of_another_is_no_better_than_garbage(replica: Replica) -> None:
    await replica.act("leases/hers", feeds=[device_feed(HERS)])
    stolen = (await replica.poll(start(DEVICE), device=HERS)).sets[2].cursor
    with_hers = (await replica.poll(start(DEVICE, stolen), device=MINE)).sets
    with_garbage = (await replica.poll(start(DEVICE, "garbage"), device=MINE)).sets
    assert [frame.SerializeToString() for frame in with_hers[:2]] == [
        frame.SerializeToString() for frame in with_garbage[:2]
    ]


async def test_events_of_others_are_neither_read_nor_acknowledged(replica: Replica) -> None:
    hers = await replica.act("leases/hers", feeds=[device_feed(HERS)])
    unknown = "01900000-0000-7000-8000-000000000000"
    await replica.acknowledge(MINE, hers.id)
    await replica.acknowledge(MINE, unknown)
    assert told((await replica.poll(start(), start(DEVICE), device=MINE)).sets)[:2] == [
        "FULL CURSOR_MISSING",
        "bookmark",
    ]
