"""The agent comes and goes: what waits for it waits, what can be asked again is."""

import os
import socket
import threading
from pathlib import Path

import pytest

from hallmark_client.device.agent import AgentClient, AgentLimits, AgentRefused, AgentUnavailable, PeerRule
from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.agent.agent_world import AgentWorld, wait_until

OTHER = ArtifactKind.OTHER
DATA = bytes(range(256)) * 20_000


def test_readers_and_clients_go_on_after_a_restart(world: AgentWorld) -> None:
    client = world.client()
    client.put([DATA], name="app/chat", kind=OTHER)
    with client.get("app/chat") as reader:
        assert reader.read(1000) == DATA[:1000]
        world.stop()
        world.start()
        assert reader.read(1000) == DATA[1000:2000]
        assert client.find("app/chat").size == len(DATA)
        client.put([b"1"], name="app/more", kind=OTHER)


def test_a_reader_does_not_go_on_in_another_artifact(world: AgentWorld) -> None:
    client = world.client()
    client.put([DATA], name="app/chat", kind=OTHER)
    with client.get("app/chat") as reader:
        world.stop()
        world.vault.delete("app/chat")
        world.vault.put([DATA], name="app/chat", kind=OTHER)
        world.start()
        with pytest.raises(ArtifactUnknown):
            reader.read(1000)


def test_a_call_waits_for_the_agent(world: AgentWorld) -> None:
    world.vault.put([DATA], name="app/chat", kind=OTHER)
    client = AgentClient(world.socket, seconds=20.0)
    late = threading.Timer(0.3, world.start)
    late.start()
    assert client.read("app/chat") == DATA
    late.join()
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.find("app/chat")


def test_nobody_there(world: AgentWorld) -> None:
    client = AgentClient(world.socket, seconds=0.1)
    with pytest.raises(AgentUnavailable, match="start it"):
        client.find("app/chat")
    with pytest.raises(AgentUnavailable, match="start it"):
        client.put([b"1"], name="app/chat", kind=OTHER)


def test_stopping_while_something_is_stored(world: AgentWorld) -> None:
    client, begun, go_on = world.client(seconds=0.2), threading.Event(), threading.Event()

    def pieces() -> object:
        yield DATA
        begun.set()
        assert go_on.wait(20)
        for _ in range(100):
            yield DATA

    failures: list[Exception] = []

    def put() -> None:
        try:
            client.put(pieces(), name="app/chat", kind=OTHER)  # type: ignore[arg-type]
        except AgentUnavailable as error:
            failures.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    assert begun.wait(20)
    world.stop()
    go_on.set()
    thread.join(20)
    assert len(failures) == 1
    assert world.vault.artifacts() == ()


class TestTheDoor:
    def test_modes_and_the_end(self, world: AgentWorld) -> None:
        agent = world.start(folder_mode=0o711)
        assert world.socket.stat().st_mode & 0o777 == 0o600
        assert world.socket.parent.stat().st_mode & 0o777 == 0o711
        agent.stop()
        agent.stop()
        assert not world.socket.exists()

    def test_a_socket_that_nobody_listens_on_is_replaced(self, world: AgentWorld) -> None:
        world.socket.parent.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(world.socket))
        assert world.client().status().application == "app"

    def test_one_agent_at_a_socket(self, world: AgentWorld) -> None:
        first = world.start()
        with pytest.raises(AgentUnavailable, match="already"):
            world.start()
        world.agent = first
        assert world.client().status().application == "app"

    def test_a_folder_that_others_can_write_to(self, world: AgentWorld) -> None:
        world.socket.parent.mkdir()
        world.socket.parent.chmod(0o777)
        with pytest.raises(AgentUnavailable, match="chmod"):
            world.start()

    def test_a_name_that_is_too_long(self, world: AgentWorld) -> None:
        world.socket = Path(world.socket.parent) / ("a" * 120)
        with pytest.raises(AgentUnavailable):
            world.start()


def test_processes_that_are_no_application(world: AgentWorld) -> None:
    world.start(applications={PeerRule(uid=os.geteuid() + 1): "app"})
    with pytest.raises(AgentRefused, match="no application"):
        world.client().status()


def test_an_agent_of_another_user_is_told_nothing(world: AgentWorld) -> None:
    world.start()
    client = AgentClient(world.socket, agent_uid=os.geteuid() + 1)
    with pytest.raises(AgentRefused, match="nothing was sent"):
        client.status()


def test_all_connections_are_given_back(world: AgentWorld) -> None:
    world.start(limits=AgentLimits(connections=2))
    for _ in range(10):
        client = AgentClient(world.socket, seconds=20.0)
        client.put([b"1"], name=f"app/{os.urandom(4).hex()}", kind=OTHER)
        client.close()
    assert world.agent is not None
    account = world.agent._house.accounts.of("app")
    wait_until(lambda: account.connections == 0 and account.readers == 0)
