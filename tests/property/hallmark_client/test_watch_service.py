"""A watcher's core that polls the real kms.events over SQLite: crashes, lost and doubled answers, restored backups."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.v1 import events_pb2
from hallmark_client.errors import Unavailable
from hallmark_client.system import System
from hallmark_client.watch import DeviceClock, Feed, MemoryStore, Rung, Status
from hallmark_client.watch.commands import Ask, Close, Do, Sleep, Tell
from hallmark_client.watch.core import Core
from hallmark_client.watch.settings import WatchSettings
from hallmark_events.types import StatusValue
from kms.core.names import KeyName
from kms.events.model import GLOBAL, SIGNING_KEY_ID, device_feed
from kms.events.model import Status as ServerStatus
from kms.events.tables import feed, feed_event, feed_subject
from kms.keys import store as key_store
from support.log_world import LogWorld
from unit.kms.events.bench import Replica, device_named, event_world, replica_of

MINE = device_named(1)
PLACES = {Feed.GLOBAL: (GLOBAL, "artifacts"), Feed.DEVICE: (device_feed(MINE), "consents")}
Frames = list[events_pb2.WatchEventsResponse]


class Phone:
    """A core over polls, in the service's own time."""

    def __init__(self, world: LogWorld, keys: dict[str, Any], chance: random.Random) -> None:
        self.world, self.keys, self.chance, self.store = world, keys, chance, MemoryStore()
        self.ended: set[str] = set()
        self.spoil: Callable[[Frames], Frames] = lambda frames: frames
        self.start()

    def start(self) -> None:
        clock = self.world.clock
        system = System(monotonic=clock.monotonic, jitter=lambda: 0.5, random_bytes=self.chance.randbytes)
        settings = WatchSettings(
            trusted_keys=self.keys,
            log_policy=[],
            begin_with=Rung.POLL,
            max_events=3,
            system=system,
            clock=DeviceClock(boot_seconds=clock.monotonic, boot_id=lambda: "boot", rtc=clock.now),
        )
        self.core = Core(parent="tenants/default", settings=settings, store=self.store, has_files=False)
        self.core.is_off = False

    async def once(self, replica: Replica) -> None:
        """One question with all its pages, and the wait after it."""
        steps = self.core.once()
        command = next(steps)
        while True:
            try:
                answer = await self._perform(command, replica)
            except Unavailable as error:
                command = steps.throw(error)
                continue
            try:
                command = steps.send(answer)
            except StopIteration as done:
                self.world.clock.advance(done.value)
                return

    async def _perform(self, command: Any, replica: Replica) -> Any:
        match command:
            case Ask(rpc, request) if rpc.name == "PollEvents":
                more = {"nonce": request.nonce, "max_events": request.max_events, "ack": list(request.ack)}
                response = await replica.poll(*request.feeds, device=MINE, **more)
                sets = self.spoil(list(response.sets))
                return events_pb2.PollEventsResponse(sets=sets, more_available=response.more_available)
            case Ask(_, request):
                await replica.acknowledge(MINE, *request.ack)
            case Do(work):
                return work()
            case Tell(change):
                if change.after is StatusValue.INVALID:
                    self.ended.add(change.subject)
            case Close() | Sleep():
                pass
            case _:
                raise AssertionError(command)
        return None


async def back_up(replica: Replica) -> dict[Any, list[Any]]:
    def work(tx: Any) -> dict[Any, list[Any]]:
        return {
            table: [row._asdict() for row in tx.execute(table.select())] for table in (feed, feed_event, feed_subject)
        }

    return await replica.database.read(work)


async def restore(replica: Replica, backup: dict[Any, list[Any]]) -> None:
    def work(tx: Any) -> None:
        for table, rows in backup.items():
            tx.execute(table.delete())
            if rows:
                tx.execute(table.insert(), rows)

    await replica.database.write(work)


def spoiled(chance: random.Random) -> Callable[[Frames], Frames]:
    def lossy(frames: Frames) -> Frames:
        kept = [frame for frame in frames if chance.random() > 0.2]
        doubled = [frame for frame in kept for _ in range(1 + (chance.random() < 0.2))]
        if chance.random() < 0.3:
            chance.shuffle(doubled)
        return doubled

    return lossy


@pytest.mark.parametrize("seed", range(4))
async def test_it_ends_where_the_service_is(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with event_world(tmp_path) as world:
        async with replica_of(world, seed=seed + 1) as replica:
            name = KeyName("system", SIGNING_KEY_ID)
            key = await replica.database.read(lambda tx: key_store.find_key(tx, name))
            assert key is not None
            phone = Phone(world, {str(version.name): version.public_key for version in key.versions}, chance)
            backup = await story(world, replica, phone, chance)
        # The other replica finds a database that was put back, and begins a new history.
        async with replica_of(world, seed=seed + 101) as replica:
            await restore(replica, backup)
            phone.spoil = lambda frames: frames
            for _ in range(4):
                await phone.once(replica)
            await compare(replica, phone)


async def story(world: LogWorld, replica: Replica, phone: Phone, chance: random.Random) -> dict[Any, list[Any]]:
    """Acts, questions and crashes in some order. Returns a backup from somewhere in the middle."""
    backup, over = await back_up(replica), set()
    for step in range(30):
        world.clock.advance(1)
        match chance.randrange(6):
            case 0 | 1:
                feed_name, collection = PLACES[chance.choice(list(PLACES))]
                subject = f"{collection}/{chance.randrange(5)}"
                status = chance.choice([ServerStatus.INVALID, ServerStatus.SUSPENDED])
                if subject not in over:
                    over |= {subject} if status is ServerStatus.INVALID else set()
                    await replica.act(subject, status, feeds=[feed_name])
            case 2:
                phone.spoil = spoiled(chance)
            case 3:
                phone.start()
            case _:
                await phone.once(replica)
        if step == 12:
            backup = await back_up(replica)
        assert all(phone.core.held.status_of(subject) is StatusValue.INVALID for subject in phone.ended)
    phone.spoil = lambda frames: frames
    for _ in range(4):
        await phone.once(replica)
    await compare(replica, phone)
    return backup


async def compare(replica: Replica, phone: Phone) -> None:
    status = phone.core.status()
    assert status.status is Status.VALID, status
    for each, (name, _) in PLACES.items():
        held = phone.core.held.feeds[each].state
        rows = await replica.database.read(
            lambda tx, name=name: tx.execute(feed_subject.select().where(feed_subject.c.feed == name)).all()
        )
        assert {subject: entry.jti for subject, entry in held.mirror.items()} == {
            row.subject: row.event for row in rows
        }
    assert all(phone.core.held.status_of(subject) is StatusValue.INVALID for subject in phone.ended)
