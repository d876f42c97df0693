"""Several replicas record, sequence, sign and publish on one database at once: one tree, no fork, nothing twice.

On SQLite (several connections to one file) and on PostgreSQL, which is what replicas are for.
"""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest
import sqlalchemy as sa

from hsm.testing import FakeKeyProvider
from kms import migrations
from kms.core.clock import SystemClock
from kms.core.database import Database
from kms.log import store
from kms.log.errors import EventRecordedTwice
from kms.log.model import LogEntry, LogSettings
from kms.log.rounds import sequencer
from kms.log.service import TransparencyLog
from support.log_world import ORIGIN
from support.public_files import AuditedPublicFiles

REPLICAS = 3
SECONDS = 1.5
WRITERS = 24


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[list[Database]]:
    opened = [Database(database_url) for _ in range(REPLICAS)]
    migrations.upgrade(opened[0].engine)
    yield opened
    for database in opened:
        database.close()


async def test_replicas_under_load(databases: list[Database]) -> None:
    provider = FakeKeyProvider()
    await provider.start()
    files = [AuditedPublicFiles(ORIGIN) for _ in databases]
    settings = LogSettings(origin=ORIGIN, min_checkpoint_interval_seconds=0.05, batch_max=7, poll_seconds=0.1)
    logs = [
        TransparencyLog(
            database=database, provider=provider, public_files=folder, clock=SystemClock(), settings=settings
        )
        for database, folder in zip(databases, files, strict=True)
    ]
    await asyncio.gather(*(log.start() for log in logs))
    places: dict[str, int | None] = {}
    stop = time.monotonic() + SECONDS

    async def write(number: int) -> None:
        log, database = logs[number % REPLICAS], databases[number % REPLICAS]
        while time.monotonic() < stop:
            entry = LogEntry(
                str(uuid.uuid4()), "com.example.key.used", "default", "tenants/default/keys/a", SystemClock().now()
            )
            promise = await database.write(partial(log.record, entry=entry))
            confirmed = await log.confirm(promise, published=True, timeout_seconds=20)
            places[promise.event_key] = confirmed.leaf_index

    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    await asyncio.gather(*(log.step() for log in logs))
    assert sorted(places.values()) == list(range(len(places)))
    assert await databases[0].read(lambda tx: store.find_indices(tx, list(places))) == places
    roots: dict[int, bytes] = {}
    for folder in files:
        assert folder.shown[-1].size == len(places)
        for shown in folder.shown:
            assert roots.setdefault(shown.size, shown.root) == shown.root, "a fork"
    for log in logs:
        await log.close()


async def test_a_key_cannot_slip_in_while_it_moves_from_queue_to_tree(databases: list[Database]) -> None:
    await databases[0].write(lambda tx: store.ensure_state(tx, ORIGIN))
    await databases[0].write(lambda tx: store.enqueue(tx, [("a", b"first")]))
    sequenced, may_commit = threading.Event(), threading.Event()

    def sequence_slowly(tx: sa.Connection) -> None:
        sequencer.sequence(tx, 10)
        sequenced.set()
        may_commit.wait(5)

    moving = asyncio.create_task(databases[0].write(sequence_slowly))
    await asyncio.to_thread(sequenced.wait, 5)
    again = asyncio.create_task(databases[1].write(lambda tx: store.enqueue(tx, [("a", b"second")])))
    await asyncio.sleep(0.2)  # time enough for the second one to look before the first one's commit
    may_commit.set()
    await moving
    with pytest.raises(EventRecordedTwice):
        await again
    assert await databases[2].read(store.is_queue_empty)
