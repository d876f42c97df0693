"""A real agent and a real client, and the other side of each says anything."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallmark_client.device.agent import AgentClient, AgentLimits, AgentReader, AgentUnavailable
from hallmark_client.device.agent.asking import Opened
from hallmark_client.device.agent.frames import ASKED, PIECE, Op, frame
from hallmark_client.device.errors import DeviceError
from hallmark_client.device.model import Artifact, ArtifactState, Part
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.agent.agent_world import AgentWorld, wait_until

CONTENT = bytes(range(256)) * 300
LIMITS = AgentLimits(frame_seconds=0.05, idle_seconds=0.05, requests_per_second=10**6, refusals_per_minute=10**6)
NAMES = st.sampled_from(["app/chat", "other/chat", "app/none", "", "*", "app/\x00"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-1, 2**53), NAMES, st.just([]), st.just({}))
PARAMS = st.dictionaries(
    st.sampled_from(["name", "version", "part", "after", "artifacts", "nonce", "kind", "labels", "progress", "size"]),
    VALUES,
    max_size=6,
)
REQUESTS = st.one_of(
    st.builds(lambda op, params: frame(op=op.value, params=params), st.sampled_from([*Op]), PARAMS),
    st.builds(lambda name, version: frame(op="find", params={"name": name, "version": version}), NAMES, VALUES),
    st.builds(lambda name: frame(op="get", params={"name": name, "part": "", "version": None}), NAMES),
    st.binary(max_size=30),
)
SAID = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda value: frame(result=value), st.dictionaries(st.sampled_from(["artifact", "application"]), VALUES)),
    st.builds(
        lambda value: frame(error=value), st.dictionaries(st.sampled_from(["kind", "message", "reason"]), VALUES)
    ),
    st.just(frame(nonce="00" * 16)),
    st.just(frame(nonce="00" * 16) + frame(result={})),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentWorld]:
    world = AgentWorld(tmp_path_factory.mktemp("agent"))
    world.start(limits=LIMITS)
    for name in ("app/chat", "other/chat"):
        world.vault.put([CONTENT], name=name, kind=ArtifactKind.OTHER)
    yield world
    world.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(REQUESTS, max_size=6), greets=st.booleans(), channel=st.binary(max_size=40))
def test_an_agent_outlives_any_app(served: AgentWorld, said: list[bytes], greets: bool, channel: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.settimeout(2.0)
        connection.connect(str(served.socket))
        nonce = connection.recv(4096)[4:]
        if greets:
            connection.sendall(frame(op="hello", params={"nonce": nonce.split(b'"')[3].decode()}))
        for each in said:
            connection.sendall(each)
        _, descriptors, _, _ = socket.recv_fds(connection, 65_536, 4)
        for descriptor in descriptors:
            with socket.socket(fileno=descriptor) as reader:
                reader.settimeout(0.2)
                reader.sendall(ASKED.pack(5, 100) + channel)
                reader.recv(65_536)
    client = served.client()
    assert client.read("app/chat") == CONTENT
    assert {each.name for each in served.vault.artifacts()} <= {"app/chat", "other/chat"}
    client.close()


def test_and_nothing_is_left_of_them(served: AgentWorld) -> None:
    assert served.agent is not None
    account = served.agent._house.accounts.of("app")
    for client in served.clients:
        client.close()
    wait_until(lambda: account.connections == 0)
    assert account.readers == 0


@contextmanager
def false_agent(said: bytes) -> Iterator[Path]:
    """Says this to whoever connects, whatever they want."""
    with tempfile.TemporaryDirectory(prefix="agent-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "s"
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.sendall(said)
                        connection.shutdown(socket.SHUT_WR)
                        connection.settimeout(1.0)
                        while connection.recv(4096):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@settings(max_examples=60)
@given(said=st.lists(SAID, max_size=4).map(b"".join), ask=st.sampled_from(["find", "get", "put", "watch", "artifacts"]))
def test_a_client_of_any_agent_raises_only_its_own_errors(said: bytes, ask: str) -> None:
    with false_agent(said) as path, AgentClient(path, seconds=0.05) as client, suppress(DeviceError, ValueError):
        match ask:
            case "find":
                client.find("app/chat")
            case "get":
                client.get("app/chat").close()
            case "put":
                client.put([b"1"], name="app/new", kind=ArtifactKind.OTHER)
            case "watch":
                next(client.watch())
            case _:
                client.artifacts()


PART = Part(path="", size=10, sha256="", blob="", blob_size=0, context=b"")
ARTIFACT = Artifact(
    artifact_id="",
    name="app/chat",
    kind=ArtifactKind.OTHER,
    version=0,
    tenant="default",
    digest="",
    size=10,
    epoch=1,
    state=ArtifactState.AVAILABLE,
    needs_permission=False,
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    parts=(PART,),
)


@settings(max_examples=60)
@given(said=st.one_of(st.binary(max_size=60), st.integers(1, 12).map(lambda size: PIECE.pack(0, size) + bytes(12))))
def test_a_reader_of_any_channel_raises_only_its_own_errors(said: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.sendall(said)
    ours.shutdown(socket.SHUT_WR)
    waiting = [Opened(ARTIFACT, PART, theirs)]

    def opening() -> Opened:
        if not waiting:
            raise AgentUnavailable("it does not come back")
        return waiting.pop()

    with ours, AgentReader(opening, seconds=1.0) as reader, suppress(DeviceError, ValueError):
        assert len(reader.pread(0, 10)) == 10
