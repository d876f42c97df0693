"""The two twins as a program sees them; what they do is the core's, see test_core."""

import asyncio
import threading
from datetime import timedelta

import pytest

from hallmark_client.errors import DeadlineExceeded, InvalidArgument
from hallmark_client.system import System
from hallmark_client.testing import FakeService
from hallmark_client.watch import MemoryStore, SqliteStore, Status, StoreFailed, Watcher
from hallmark_client.watch.held import Writing
from hallmark_events import types
from hallmark_tlog.vkey import parse_vkey


@pytest.fixture
def fake() -> FakeService:
    return FakeService()


@pytest.fixture
def watch(fake):
    opened = []

    def watch(**options) -> Watcher:
        client = fake.client(role="device", system=System(jitter=lambda: 0.0))
        policy = [parse_vkey(key) for key in fake.verifier_keys]
        watcher = Watcher(client, trusted_keys=fake.trusted_keys, log_policy=policy, **options)
        opened.append((watcher, client))
        return watcher

    yield watch
    for watcher, client in opened:
        watcher.close()
        client.close()


def until(condition) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError


def test_constructing_it_waits_for_nobody(fake, watch) -> None:
    fake.stop()
    watcher = watch()
    with pytest.raises(DeadlineExceeded) as late:
        watcher.wait_ready(0.2)
    assert late.value.reason == "NOT_READY"
    until(lambda: "UNREACHABLE" in watcher.status.reasons)
    fake.start()
    assert watcher.wait_ready(10).is_ready


def test_stored_state_is_used_without_anybody_to_ask(fake, watch) -> None:
    store = MemoryStore()
    fake.events.tell(types.ARTIFACT_REVOKED, "artifacts/" + "a" * 64)
    first = watch(store=store)
    first.wait_ready(10)
    until(lambda: first.status.status is Status.VALID)
    first.close()
    fake.stop()
    again = watch(store=store)
    assert again.wait_ready(0).is_ready
    assert not again.decision("artifacts/" + "a" * 64).is_allowed
    assert again.decision("tenants/default/artifacts/" + "a" * 64) == again.decision("artifacts/" + "a" * 64)
    until(lambda: again.status.status is Status.INTERRUPTED)


def test_a_later_callback_hears_what_is_later(fake, watch) -> None:
    watcher, told = watch(), []
    watcher.wait_ready(10)
    watcher.on_change(told.append)
    fake.events.tell(types.KEY_ROTATED, "keys/one", types.StatusValue.VALID)
    fake.wake()
    until(lambda: [type(change).__name__ for change in told] == ["KeyRotated"])


class Full(MemoryStore):
    def save(self, writing) -> None:
        raise StoreFailed("WATCH_STORE", "the disk is full")


def test_a_store_that_fails_ends_it_and_says_so(watch) -> None:
    watcher = watch(store=Full())
    with pytest.raises(StoreFailed):
        watcher.wait_ready(10)
    until(lambda: watcher.status.status is Status.OFF)
    assert watcher.status.reasons[0] == "WATCH_STORE"


def test_it_may_be_closed_from_its_own_callback(fake, watch) -> None:
    closed = threading.Event()

    def close(_) -> None:
        watcher.close()
        closed.set()

    watcher = watch()
    watcher.wait_ready(10)
    watcher.on_change(close)
    fake.events.tell(types.ARTIFACT_REVOKED, "artifacts/" + "a" * 64)
    fake.wake()
    assert closed.wait(10)
    until(lambda: watcher.status.status is Status.OFF)


@pytest.mark.parametrize(
    "wrong", [{"heartbeat": timedelta(0)}, {"feeds": ()}, {"max_events": 0}, {"files_url": "nowhere"}]
)
def test_settings_that_can_not_be_right_are_refused(watch, wrong) -> None:
    with pytest.raises(InvalidArgument):
        watch(**wrong)


def test_drained_streams_come_back(fake, watch) -> None:
    watcher = watch(heartbeat=timedelta(seconds=1))
    until(lambda: watcher.status.status is Status.VALID)
    fake.drain(retry_after_seconds=(0.0, 0.0))
    until(lambda: watcher.status.reasons == ("GOODBYE_DRAINING",))
    fake.start()
    until(lambda: watcher.status.status is Status.VALID)


async def test_the_twin_is_one_task_that_ends(fake) -> None:
    from datetime import UTC, datetime

    from hallmark_client.testing import LoopbackServer, TestAuthority
    from hallmark_client.watch import AsyncWatcher

    server = LoopbackServer(fake, TestAuthority(datetime.now(UTC)))
    policy = [parse_vkey(key) for key in fake.verifier_keys]
    try:
        profile = server.profile("device")
        async with AsyncWatcher(profile, trusted_keys=fake.trusted_keys, log_policy=policy) as watcher:
            await watcher.wait_ready(10)
            assert "hallmark-watcher" in {task.get_name() for task in asyncio.all_tasks()}
            assert watcher.status.is_ready
        assert "hallmark-watcher" not in {task.get_name() for task in asyncio.all_tasks()}
        await watcher.close()
    finally:
        server.stop()


def test_a_store_is_free_when_close_returns(fake, watch, tmp_path, monkeypatch) -> None:
    """Also while the thread still waits for somebody: the next watcher may open it at once."""
    monkeypatch.setattr("hallmark_client.watch.watcher._JOIN_SECONDS", 0.05)
    told, release = threading.Event(), threading.Event()

    def slow(change) -> None:
        told.set()
        release.wait(10)

    fake.events.tell(types.ARTIFACT_REVOKED, "artifacts/" + "a" * 64)
    first = watch(store=tmp_path / "watch.db", on_change=slow)
    assert told.wait(10)
    first.close()
    with pytest.raises(StoreFailed, match="closed"):
        first._store.save(Writing(acks=("a",)))
    SqliteStore(tmp_path / "watch.db").close()
    release.set()
