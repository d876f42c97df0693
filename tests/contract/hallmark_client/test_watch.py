"""Both twins of the watcher against every server: the fake, the fake over gRPC, and the real service."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import Client, Profile
from hallmark_client.testing import FakeService, LoopbackServer, TestAuthority
from hallmark_client.watch import AsyncWatcher, Change, Feed, Revoked, Rung, ServiceKeys, Status, Watcher, log_keys
from hallmark_events.types import StatusValue

SECONDS = 20
ONLY_GLOBAL = {"feeds": (Feed.GLOBAL,), "heartbeat": timedelta(seconds=1)}


@dataclass(frozen=True)
class Place:
    """An admin who revokes, and a back office that watches: its client, and its profile where there is a network."""

    admin: Client
    client: Client
    profile: Profile | None

    def trust(self) -> dict:
        return {"trusted_keys": ServiceKeys(self.client), "log_policy": log_keys(self.client)}

    def revoke(self) -> str:
        name = self.admin.keys.create(f"key-{uuid.uuid4().hex[:12]}").name
        self.admin.revocations.revoke(name, "KEY_COMPROMISE")
        return name


@pytest.fixture(params=["fake", "fake-over-grpc", "live"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        match request.param:
            case "fake":
                fake = FakeService()
                admin, client = stack.enter_context(fake.client()), stack.enter_context(fake.client(role="backend"))
                yield Place(admin, client, None)
            case "fake-over-grpc":
                server = LoopbackServer(FakeService(), TestAuthority(datetime.now(UTC)))
                stack.callback(server.stop)
                profile = server.profile("backend")
                admin = stack.enter_context(Client(server.profile("admin")))
                yield Place(admin, stack.enter_context(Client(profile)), profile)
            case _:
                service = request.getfixturevalue("service")
                profile = service.profile("backend")
                admin, client = stack.enter_context(service.client()), stack.enter_context(Client(profile))
                yield Place(admin, client, profile)


class Told:
    """Waits for a change of one subject."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._new = threading.Condition()

    def __call__(self, change: Change) -> None:
        with self._new:
            self.changes.append(change)
            self._new.notify_all()

    def of(self, subject: str) -> Change:
        """Keys are told of by version."""
        with self._new:
            assert self._new.wait_for(lambda: self._find(subject) is not None, SECONDS), self.changes
            found = self._find(subject)
            assert found is not None
            return found

    def _find(self, subject: str) -> Change | None:
        return next((change for change in self.changes if change.subject.startswith(subject)), None)


@pytest.mark.parametrize("begin_with", [Rung.STREAM, Rung.POLL])
def test_a_watcher_hears_what_was_and_what_comes(place: Place, tmp_path, begin_with) -> None:
    told, earlier = Told(), place.revoke()
    options = {**ONLY_GLOBAL, **place.trust(), "begin_with": begin_with, "poll_every": timedelta(seconds=0.2)}
    with Watcher(place.client, store=tmp_path / "watch.db", on_change=told, **options) as watcher:
        assert watcher.wait_ready(SECONDS).is_ready
        assert isinstance(told.of(earlier), Revoked)
        later = told.of(place.revoke())
        assert (later.after, later.feed) == (StatusValue.INVALID, Feed.GLOBAL)
        assert watcher.snapshot().get(later.subject).status is StatusValue.INVALID
        watcher.wait_ready(SECONDS)
        assert watcher.status.status is Status.VALID
    assert watcher.status.status is Status.OFF
    # From the file, without anybody to ask.
    with Watcher(place.client, store=tmp_path / "watch.db", **options) as again:
        assert again.wait_ready(0).is_ready
        assert again.snapshot().get(later.subject).status is StatusValue.INVALID


def test_what_happened_meanwhile_is_told_and_nothing_else(place: Place, tmp_path) -> None:
    first, second = Told(), Told()
    options = {**ONLY_GLOBAL, **place.trust(), "store": tmp_path / "watch.db"}
    with Watcher(place.client, on_change=first, **options) as watcher:
        first.of(name := place.revoke())
        watcher.wait_ready(SECONDS)
        held = watcher._core.held
        while held.stored_pending or held.feeds[Feed.GLOBAL].dirty:  # its bookmark may come a moment later
            threading.Event().wait(0.05)
    missed = place.revoke()
    with Watcher(place.client, on_change=second, **options):
        second.of(missed)
    assert not [change for change in second.changes if change.subject.startswith(name)]


async def test_the_asyncio_twin_does_the_same(place: Place, tmp_path) -> None:
    if place.profile is None:
        pytest.skip("there is no network to be asynchronous over")
    told, earlier = Told(), place.revoke()

    async def on_change(change: Change) -> None:
        await asyncio.sleep(0)
        told(change)

    options = {**ONLY_GLOBAL, **place.trust(), "store": tmp_path / "watch.db"}
    async with AsyncWatcher(place.profile, on_change=on_change, **options) as watcher:
        await watcher.wait_ready(SECONDS)
        assert isinstance(await asyncio.to_thread(told.of, earlier), Revoked)
        subject = await asyncio.to_thread(place.revoke)
        later = await asyncio.to_thread(told.of, subject)
        assert watcher.snapshot().get(later.subject).status is StatusValue.INVALID
        assert watcher.status.status is Status.VALID
    assert watcher.status.status is Status.OFF


def test_closing_does_not_wait_for_the_server(place: Place) -> None:
    watcher = Watcher(place.client, **ONLY_GLOBAL, **place.trust())
    watcher.wait_ready(SECONDS)
    watcher.close()
    assert "hallmark-watcher" not in {thread.name for thread in threading.enumerate()}
    watcher.close()


def test_a_feed_that_is_not_ones_own_is_refused_and_the_watcher_says_so(place: Place) -> None:
    with Watcher(place.client, **place.trust()) as watcher:
        deadline = threading.Event()
        for _ in range(100):
            if watcher.status.reasons[:1] == ("ROLE_NOT_ALLOWED",):
                break
            deadline.wait(0.1)
        assert watcher.status.reasons == ("ROLE_NOT_ALLOWED", "NEVER_WHOLE")
        assert watcher.status.status is Status.STALE
