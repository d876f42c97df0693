"""The file of a watcher: what was written is read back, all of a transaction or nothing of it."""

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client.testing.watching import EventWorld, PowerCut, WatchedDevice
from hallmark_client.watch import Feed, MemoryStore, SqliteStore, StoreFailed
from hallmark_client.watch.held import Clock, Lists, Place, Row, Writing
from hallmark_events.lease import Shred, Why
from hallmark_events.manifest import SeenManifest
from hallmark_events.state_entry import Entry, Kept
from hallmark_events.trusted_time import TrustedTime
from hallmark_events.types import StatusValue

CONSENT = "consents/0b8f5b0e-0000-4000-8000-000000000001"
OWNER = "tenants/default"
ENTRY = Entry(
    jti="01a200f2-f893-74ed-a45c-4675bd768a7e", uri="a:b", revision=3, status=StatusValue.SUSPENDED, own={"reason": "X"}
)
PLACE = Place(bytes(16), 7, "cursor", bytes(32), bytes(31) + b"1")


@pytest.fixture(params=["sqlite", "memory"])
def store(request, tmp_path):
    store = SqliteStore(tmp_path / "watch.db") if request.param == "sqlite" else MemoryStore()
    yield store
    store.close()


def test_what_is_written_is_read_back(store) -> None:
    clock = Clock(
        trusted=TrustedTime(floor=datetime(2026, 1, 1, tzinfo=UTC)), heard_at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    lists = Lists(
        seen=SeenManifest(bytes(16), 4, "ab" * 32),
        listed={"tenants/t/leases/a": StatusValue.INVALID},
        extended={"tenants/t/leases/b": datetime(2026, 1, 3, tzinfo=UTC)},
    )
    rows = (
        Row(Feed.DEVICE, "tenants/t/leases/a", ENTRY, None),
        Row(Feed.GLOBAL, "tenants/t/keys/b", None, Kept(ENTRY, bytes(16))),
    )
    store.save(
        Writing(rows=rows, places={Feed.DEVICE: PLACE, Feed.GLOBAL: PLACE}, clock=clock, lists=lists, acks=("a", "b"))
    )
    found = store.load(OWNER)
    assert found.places == {Feed.DEVICE: PLACE, Feed.GLOBAL: PLACE}
    assert found.states[Feed.DEVICE].mirror == {"tenants/t/leases/a": ENTRY}
    assert found.states[Feed.GLOBAL].kept == {"tenants/t/keys/b": Kept(ENTRY, bytes(16))}
    assert found.states[Feed.GLOBAL].sequence == 7
    assert (found.clock, found.lists, found.acks) == (clock, lists, ["a", "b"])
    store.save(Writing(rows=(Row(Feed.DEVICE, "tenants/t/leases/a", None, None),), acknowledged=("a",)))
    found = store.load(OWNER)
    assert not found.states[Feed.DEVICE].mirror
    assert (found.clock, found.acks) == (clock, ["b"])


@pytest.fixture
def device(world, tmp_path):
    device = WatchedDevice(world, store=SqliteStore(tmp_path / "watch.db"))
    yield device
    device.store.close()


def test_a_pending_change_comes_back_as_it_was(world, device) -> None:
    world.lease()
    device.advance(1)
    cut = []

    def power_cut(change):
        cut.append(change)
        raise PowerCut

    device.on_change = power_cut
    world.withdraw()
    device.advance(0.1)
    device.on_change = lambda change: None
    device.advance(5)
    assert [type(change).__name__ for change in device.told] == ["LeaseGranted", "ConsentEnded"]
    (told,) = cut
    assert device.told[-1] == dataclasses.replace(told, own=device.told[-1].own)
    assert dict(told.own) == dict(device.told[-1].own)


def test_a_file_is_of_one_tenant_and_of_nobody_else(tmp_path) -> None:
    path = tmp_path / "watch.db"
    store = SqliteStore(path)
    store.load(OWNER)
    store.close()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(StoreFailed, match="not of tenants/other"):
        SqliteStore(path).load("tenants/other")


def test_a_file_has_one_watcher_at_a_time(tmp_path) -> None:
    """A second one would write over what the first has learnt, and so give back what was taken."""
    first = SqliteStore(tmp_path / "watch.db")
    with pytest.raises(StoreFailed, match="locked"):
        SqliteStore(tmp_path / "watch.db")
    first.close()
    SqliteStore(tmp_path / "watch.db").close()


@pytest.mark.parametrize("damage", ["not a database", "entry", "newer"])
def test_a_damaged_file_is_said_to_be_one(tmp_path, damage) -> None:
    path = tmp_path / "watch.db"
    if damage == "not a database":
        path.write_bytes(b"x" * 5000)
    else:
        store = SqliteStore(path)
        store.save(Writing(rows=(Row(Feed.DEVICE, "tenants/t/x/y", ENTRY, None),)))
        store.close()
        with sqlite3.connect(path) as database:
            database.execute("UPDATE entry SET value = '{}'" if damage == "entry" else "PRAGMA user_version = 99")
        database.close()
    with pytest.raises(StoreFailed) as failed:
        SqliteStore(path).load(OWNER)
    assert str(path) in str(failed.value)


class Cutting(sqlite3.Connection):
    """The power goes before the n-th statement that this connection is given."""

    left: int | None = None

    def _count(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise PowerCut
            self.left -= 1

    def execute(self, *arguments):
        self._count()
        return super().execute(*arguments)

    def executemany(self, *arguments):
        self._count()
        return super().executemany(*arguments)


def cutting_store(path) -> SqliteStore:
    store = SqliteStore(path)
    store._database.close()
    store._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Cutting)
    store._database.execute("PRAGMA synchronous = FULL")
    return store


@pytest.mark.parametrize("statement", range(0, 48, 2))
def test_a_power_cut_between_any_two_statements_gives_nothing_back(tmp_path, world, artifact, statement) -> None:
    """A grant, a withdrawal and a revocation; cut once, wherever; then the same file again, and the server away."""
    device = WatchedDevice(world, store=cutting_store(tmp_path / "watch.db"), has_files=False)
    world.lease()
    device.advance(1)
    withdrawn = []
    device.on_change = lambda change: withdrawn.append(change) if change.after is StatusValue.INVALID else None
    device.store._database.left = statement
    world.withdraw()
    world.artifact(StatusValue.INVALID, name="artifacts/" + "b" * 64)
    try:
        while device._step(world.now + timedelta(seconds=40)):
            pass
    except PowerCut:
        pass
    device.store._database.left = None
    device.store._database.close()
    device.store = SqliteStore(tmp_path / "watch.db")
    device.crash()
    for change in withdrawn:
        assert device.core.held.status_of(change.subject) is StatusValue.INVALID
    consent, revoked = f"{OWNER}/{CONSENT}", f"{OWNER}/artifacts/{'b' * 64}"
    if consent in {change.subject for change in withdrawn}:
        assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)
    # Online again, nothing is lost.
    device.advance(60)
    assert {change.subject for change in withdrawn} == {consent, revoked}
    assert device.decision(artifact).decision == Shred(Why.WITHDRAWN)
    device.store.close()


KILLED = """
import os, sys
from hallmark_client.testing.watching import EventWorld, NAME, WatchedDevice
from hallmark_client.watch import SqliteStore
from hallmark_events import types
world = EventWorld()
def acted(change):
    print(change.subject, change.after.name, flush=True)
device = WatchedDevice(world, store=SqliteStore(sys.argv[1]), on_change=acted)
device.advance(1)
for number in range(10_000):
    world.events.tell(types.ARTIFACT_REVOKED, f"artifacts/{number:064x}")
    device.advance(0.01)
"""


def test_a_killed_process_has_kept_what_it_told(tmp_path) -> None:
    """SIGKILL in the middle of it. What the callback was told of is in the file."""
    path = tmp_path / "watch.db"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline().split()[0] for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    told += [line.split()[0] for line in process.stdout.read().splitlines() if line.endswith("INVALID")]
    process.wait()
    process.stdout.close()
    device = WatchedDevice(EventWorld(), store=SqliteStore(path))
    assert {device.core.held.status_of(subject) for subject in told} == {StatusValue.INVALID}
    device.store.close()
