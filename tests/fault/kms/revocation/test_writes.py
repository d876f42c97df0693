"""Every write of Revoke: failed, and failed but stored. A retry of the call always ends well, with one event."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hallmark.v1 import revocation_pb2
from kms.core.errors import Reason, ResourceExhausted
from kms.core.names import KeyName
from kms.log.model import LogEntry
from unit.kms.revocation.bench import Bench, running

KEY = "tenants/default/keys/manifest"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as bench:
        await bench.create_key("manifest")
        yield bench


async def _facts(bench: Bench) -> tuple[int, int, bool, int]:
    """Events, newest sequence, is the key revoked, entries of revocations in the log's queue."""
    page = await bench.revocations.list("default", None, limit=10, now=bench.clock.now())
    newest = await bench.revocations.newest("default", bench.clock.now())
    key = await bench.keys.get(KeyName("default", "manifest"))
    entries = await bench.database.read(lambda tx: list(tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()))
    logged = [json.loads(entry)["type"] for entry in entries].count("revocation.created")
    return len(page.events), newest.sequence, key.revoke_time is not None, logged


NOTHING = (0, 0, False, 0)
EVERYTHING = (1, 1, True, 1)


@pytest.mark.parametrize(("fault", "facts"), [(Fault.LOST_BEFORE, NOTHING), (Fault.LOST_AFTER, EVERYTHING)])
async def test_a_failed_commit_is_all_or_nothing_and_can_be_retried(
    bench: Bench, fault: Fault, facts: tuple[int, int, bool, int]
) -> None:
    bench.revocations.events.database = flaky = FlakyDatabase(bench.database)
    await bench.revocations.newest("default", bench.clock.now())
    request_id = str(uuid.uuid4())
    flaky.plan(fault)
    with pytest.raises(ConnectionLost):
        await bench.revoke(KEY, request_id=request_id)
    assert await _facts(bench) == facts
    response = await bench.revoke(KEY, request_id=request_id)
    assert response.replayed is (fault is Fault.LOST_AFTER)
    assert await _facts(bench) == EVERYTHING


@pytest.mark.parametrize("fault", list(Fault))
async def test_the_answer_to_a_second_revocation_can_be_retried(bench: Bench, fault: Fault) -> None:
    first = await bench.revoke(KEY)
    bench.revocations.events.database = flaky = FlakyDatabase(bench.database)
    request_id = str(uuid.uuid4())
    flaky.plan(fault)
    with pytest.raises(ConnectionLost):
        await bench.revoke(KEY, request_id=request_id)
    assert (await bench.revoke(KEY, request_id=request_id)).event == first.event
    assert await _facts(bench) == EVERYTHING


@pytest.mark.parametrize("fault", list(Fault))
async def test_beginning_a_feed_can_be_retried(bench: Bench, fault: Fault) -> None:
    bench.revocations.events.database = flaky = FlakyDatabase(bench.database)
    flaky.plan(fault)
    with pytest.raises(ConnectionLost):
        await bench.list()
    cursor = (await bench.list()).cursor
    assert (await bench.list()).cursor == cursor


async def test_without_room_in_the_log_nothing_is_revoked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's part of the transaction fails last, after the event and the key were written."""

    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    request_id = str(uuid.uuid4())
    with monkeypatch.context() as patch:
        patch.setattr(bench.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await bench.revoke(KEY, request_id=request_id)
    assert await _facts(bench) == NOTHING
    assert not (await bench.revoke(KEY, request_id=request_id)).replayed
    assert await _facts(bench) == EVERYTHING


async def test_an_event_that_was_stored_but_not_answered_reaches_the_watchers(tmp_path: Path) -> None:
    """Nobody notifies: the ticker finds it."""
    async with running(tmp_path, tick_seconds=0.02) as bench:
        await bench.create_key("manifest")
        request = revocation_pb2.WatchRevocationsRequest(parent="tenants/default")
        stream = bench.servicer.WatchRevocations(request, bench.call("WatchRevocations"))
        async with contextlib.aclosing(stream):
            assert (await anext(stream)).WhichOneof("frame") == "bookmark"
            bench.revocations.events.database = flaky = FlakyDatabase(bench.database)
            flaky.plan(Fault.LOST_AFTER)
            with pytest.raises(ConnectionLost):
                await bench.revoke(KEY)
            assert (await anext(stream)).event.subject == KEY
