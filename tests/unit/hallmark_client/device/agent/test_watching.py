"""Apps are told what they may not use any more, and what they may again."""

import queue
import threading
from collections.abc import Iterator

import pytest

from hallmark_client.device.agent import AgentClient, AgentFailed, PermissionChange, Standing
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.agent.agent_world import PATIENCE_SECONDS, AgentWorld

OTHER = ArtifactKind.OTHER


class Watching:
    """What an app hears, in a thread of its own."""

    def __init__(self, client: AgentClient) -> None:
        self._heard: queue.Queue[PermissionChange] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, args=(client,))
        self._thread.start()

    def _listen(self, client: AgentClient) -> None:
        try:
            for change in client.watch():
                self._heard.put(change)
        except AgentFailed:
            return

    def next(self) -> tuple[str, int, Standing]:
        change = self._heard.get(timeout=PATIENCE_SECONDS)
        return change.name, change.version, change.standing

    def quiet(self) -> bool:
        return self._heard.empty()

    def end(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def watching(world: AgentWorld) -> Iterator[Watching]:
    world.vault.put([b"1"], name="app/first", kind=OTHER)
    world.vault.put([b"1"], name="other/hidden", kind=OTHER)
    watching = Watching(world.client(seconds=1.0))
    assert watching.next() == ("app/first", 0, Standing.AVAILABLE)
    yield watching
    world.stop()
    watching.end()


def test_changes_are_pushed(world: AgentWorld, watching: Watching) -> None:
    world.vault.suspend("app/first", "other/hidden")
    assert watching.next() == ("app/first", 0, Standing.SUSPENDED)
    world.vault.resume("app/first", "other/hidden")
    assert watching.next() == ("app/first", 0, Standing.AVAILABLE)
    world.vault.put([b"1"], name="app/second", kind=OTHER, version=4)
    assert watching.next() == ("app/second", 4, Standing.AVAILABLE)
    world.vault.delete("app/first", "other/hidden")
    assert watching.next() == ("app/first", 0, Standing.GONE)
    assert watching.quiet()


def test_a_lease_that_ends_and_begins_again(world: AgentWorld, watching: Watching) -> None:
    world.vault.put([b"1"], name="app/leased", kind=OTHER, needs_permission=True)
    assert watching.next() == ("app/leased", 0, Standing.AVAILABLE)
    world.leases.ended = "silent"
    assert watching.next() == ("app/leased", 0, Standing.SUSPENDED)
    world.leases.ended = ""
    assert watching.next() == ("app/leased", 0, Standing.AVAILABLE)


def test_what_changed_while_the_agent_was_away(world: AgentWorld, watching: Watching) -> None:
    world.stop()
    world.vault.delete("app/first")
    world.vault.put([b"1"], name="app/second", kind=OTHER)
    world.start()
    assert {watching.next(), watching.next()} == {
        ("app/first", 0, Standing.GONE),
        ("app/second", 0, Standing.AVAILABLE),
    }
    assert watching.quiet()
