"""Whatever happens between a watcher and the feed, the watcher ends with exactly the revocations that there are.

Lost connections, cursors stored late, servers restarted, revocations repeated: nothing is lost, and nothing is sent
twice to a watcher that stored its cursor.
"""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallmark.v1 import revocation_pb2
from kms.core.names import ChildName, TenantName
from kms.events.model import device_feed
from kms.revocation.model import Subject
from kms.revocation.payload import Telling, credential_change
from unit.kms.revocation.bench import Bench, running, serving


class AnyDevice:
    """A RevocableSubject: every device exists, and being revoked changes nothing else."""

    def telling(self, tx: object, subject: Subject) -> Telling:
        return credential_change("device-key")

    def feeds(self, tx: object, subject: Subject) -> list[str]:
        assert isinstance(subject, ChildName)
        return [device_feed(subject)]

    def check_exists(self, tx: object, subject: Subject) -> None:
        assert isinstance(subject, ChildName) and subject.collection == "devices"  # noqa: PT018

    def revoke_in(self, tx: object, subject: Subject, *, reason: object, effective_time: object, now: object) -> None:
        assert isinstance(subject, ChildName)


@dataclass
class Watcher:
    """Applies events, stores cursors; a cursor that was not stored is one the watcher has forgotten."""

    cursor: str = ""
    applied: list[str] = field(default_factory=list)

    async def watch(self, bench: Bench, parent: str, *, frames_wanted: int, frames_stored: int) -> None:
        request = revocation_pb2.WatchRevocationsRequest(parent=parent, cursor=self.cursor)
        tenant = TenantName.parse(parent).tenant
        stream = bench.servicer.WatchRevocations(request, bench.call("WatchRevocations", tenant=tenant))
        async with contextlib.aclosing(stream), asyncio.timeout(10):
            for number in itertools.count():
                if number == frames_wanted:
                    return
                frame = await anext(stream)
                if frame.WhichOneof("frame") == "event" and frame.event.name not in self.applied:
                    self.applied.append(frame.event.name)
                if number < frames_stored:
                    self.cursor = frame.cursor
                if frame.WhichOneof("frame") == "bookmark":
                    return


@dataclass(frozen=True)
class World:
    """One server for all examples; each example is a tenant of its own."""

    runner: asyncio.Runner
    bench: Bench
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("feed")
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        bench = runner.run(stack.enter_async_context(running(folder)))
        try:
            yield World(runner, bench, folder)
        finally:
            runner.run(stack.aclose())


NUMBERS = st.integers(min_value=0, max_value=5)
STEPS = st.lists(
    st.tuples(st.just("revoke"), NUMBERS, st.just(0))
    | st.tuples(st.just("watch"), NUMBERS, NUMBERS)
    | st.tuples(st.just("restart"), st.just(0), st.just(0)),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_watcher_converges_to_the_list(world: World, steps: list[tuple[str, int, int]]) -> None:
    world.runner.run(_converges(world, steps))


async def _converges(world: World, steps: list[tuple[str, int, int]]) -> None:
    tenant = f"t{uuid.uuid4().hex}"
    parent, watcher, expected = f"tenants/{tenant}", Watcher(), []
    devices = [f"{parent}/devices/{uuid.uuid4()}" for _ in range(6)]
    async with contextlib.AsyncExitStack() as stack:
        bench = world.bench
        bench.revocations.subjects = {"devices": AnyDevice()}
        for action, first, second in steps:
            match action:
                case "revoke":
                    response = await bench.revoke(devices[first], tenant=tenant)
                    assert response.replayed is (response.event.name in expected)
                    expected = list(dict.fromkeys([*expected, response.event.name]))
                case "watch":
                    await watcher.watch(bench, parent, frames_wanted=first, frames_stored=second)
                case "restart":
                    again = serving(bench.database, world.folder, provider=bench.provider, seed=uuid.uuid4().int)
                    bench = await stack.enter_async_context(again)
                    bench.revocations.subjects = {"devices": AnyDevice()}
        await watcher.watch(bench, parent, frames_wanted=100, frames_stored=100)
        assert watcher.applied == expected
        page = await bench.revocations.list(tenant, None, limit=100, now=bench.clock.now())
        assert [str(event.revocation.name) for event in page.events] == expected
        assert [event.sequence for event in page.events] == list(range(1, len(expected) + 1))
