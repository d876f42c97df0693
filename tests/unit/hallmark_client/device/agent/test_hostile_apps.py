"""Apps that break the protocol, are slow, or take all they can: it is their own loss."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from hallmark_client.device.agent import AgentBusy, AgentClient, AgentLimits, PeerRule
from hallmark_client.device.agent.frames import (
    ANSWER_MAX,
    ASKED,
    PREFIX_SIZE,
    REQUEST_MAX,
    Members,
    Op,
    frame,
    parse_body,
)
from hallmark_client.device.agent.line import Line
from hallmark_client.device.audit import AuditAct
from hallmark_client.device.errors import ArtifactUnknown, PolicyViolation
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.agent.agent_world import AgentWorld, wait_until

OTHER = ArtifactKind.OTHER
DATA = os.urandom(1_000_000)
PUT = {"kind": "OTHER", "labels": [], "name": "app/new", "needs_permission": False, "progress": False, "version": 0}


class Raw:
    """An app that says what it likes."""

    def __init__(self, path: Path) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(path))
        self.line = Line(self.connection, seconds=20.0)

    def hello(self) -> "Raw":
        self.ask(Op.HELLO, nonce=self.heard().text("nonce"))
        return self

    def ask(self, op: str, **params: object) -> Members:
        self.line.send(frame(op=op, params=params))  # type: ignore[arg-type]
        return self.heard()

    def heard(self) -> Members:
        said = self.line.receive(ANSWER_MAX)
        assert said is not None
        return parse_body(said, ANSWER_MAX)

    def is_hung_up(self) -> bool:
        try:
            while self.connection.recv(65_536):
                pass
        except ConnectionResetError:
            pass
        return True


@pytest.fixture
def raw(world: AgentWorld) -> Iterator[Raw]:
    world.start(limits=AgentLimits(frame_seconds=0.5, idle_seconds=0.5))
    raw = Raw(world.socket)
    yield raw
    raw.line.close()


@pytest.mark.parametrize(
    "said",
    [
        frame(op="status", params={}),
        frame(op="hello", params={"nonce": "00" * 16}),
        frame(op="hello", params={}),
        b"\xff\xff\xff\xff",
        (REQUEST_MAX + 1).to_bytes(4),
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x02[]",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_who_does_not_bring_the_nonce_back(raw: Raw, said: bytes) -> None:
    raw.heard()
    raw.connection.sendall(said)
    assert raw.heard().members("error").text("kind") == "AgentInvalid"
    assert raw.is_hung_up()


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00\x00\x00\x50{"])
def test_who_is_slow_is_let_go(raw: Raw, said: bytes) -> None:
    raw.heard()
    raw.connection.sendall(said)
    assert raw.is_hung_up()


@pytest.mark.parametrize("ops", [["hello"], ["end"], ["nothing"], ["get"], ["put"], ["find"], ["delete"], ["list"]])
def test_requests_that_are_none(raw: Raw, ops: list[str]) -> None:
    raw.hello()
    assert raw.ask(ops[0], wrong=1).members("error").text("kind") == "AgentInvalid"
    assert raw.is_hung_up()


def test_another_process_may_not_speak(world: AgentWorld, raw: Raw) -> None:
    raw.hello()
    child = os.fork()
    if child == 0:
        raw.connection.sendall(frame(op="status", params={}))
        os._exit(0)
    os.waitpid(child, 0)
    error = raw.heard().members("error")
    assert "another process" in error.text("message")
    assert raw.is_hung_up()
    assert world.client().status().application == "app"


class TestDescriptors:
    def test_those_that_nobody_asked_for_are_closed(self, raw: Raw) -> None:
        raw.hello()
        before = open_descriptors()
        with Path("/dev/null").open("rb") as null:
            for _ in range(20):
                raw.line.send(frame(op="status", params={}), [null.fileno()])
                assert raw.heard().has("result")
            wait_until(lambda: open_descriptors() == before + 1)

    def test_several_at_once(self, raw: Raw) -> None:
        raw.hello()
        before = open_descriptors()
        with Path("/dev/null").open("rb") as null:
            raw.line.send(frame(op="status", params={}), [null.fileno()] * 20)
            assert raw.heard().members("error").text("kind") == "AgentInvalid"
        assert raw.is_hung_up()
        wait_until(lambda: open_descriptors() < before)

    @pytest.mark.parametrize("path", ["/dev/zero", "/"])
    def test_what_is_no_file(self, raw: Raw, path: str) -> None:
        raw.hello()
        descriptor = os.open(path, os.O_RDONLY)
        raw.line.send(frame(op="put", params=PUT), [descriptor])
        os.close(descriptor)
        assert raw.heard().members("error").text("kind") == "AgentInvalid"


class TestHalfASource:
    def test_an_app_that_dies_stores_nothing(self, world: AgentWorld, raw: Raw) -> None:
        raw.hello()
        theirs, ours = os.pipe()
        raw.line.send(frame(op="put", params=PUT), [theirs])
        os.write(ours, b"half")
        for descriptor in (ours, theirs):
            os.close(descriptor)
        raw.line.close()
        assert world.agent is not None
        account = world.agent._house.accounts.of("app")
        wait_until(lambda: account.connections == 0)
        assert world.vault.artifacts() == ()
        assert not [path for path in (world.folder / "vault" / "blobs").rglob("*") if path.is_file()]

    def test_an_app_that_sends_nothing(self, world: AgentWorld, raw: Raw) -> None:
        raw.hello()
        theirs, ours = os.pipe()
        raw.line.send(frame(op="put", params=PUT), [theirs])
        assert raw.is_hung_up()
        for descriptor in (ours, theirs):
            os.close(descriptor)
        assert world.vault.artifacts() == ()

    def test_more_than_the_agent_takes(self, world: AgentWorld) -> None:
        world.start(limits=AgentLimits(put_bytes=len(DATA)))
        client = world.client()
        client.put([DATA], name="app/fits", kind=OTHER)
        with pytest.raises(ValueError, match="at most"):
            client.put([DATA, b"1"], name="app/large", kind=OTHER)
        assert [each.name for each in client.artifacts()] == ["app/fits"]


class TestChannels:
    @pytest.mark.parametrize("asked", [(0, 0), (len(DATA), 1), (2**60, 1), (0, 2**32 - 1), (5, 4 * 1024 * 1024 + 1)])
    def test_reads_that_can_not_be(self, world: AgentWorld, raw: Raw, asked: tuple[int, int]) -> None:
        world.vault.put([DATA], name="app/chat", kind=OTHER)
        raw.hello().ask(Op.GET, name="app/chat", part="", version=None)
        descriptor = raw.line.descriptor()
        assert descriptor is not None
        with socket.socket(fileno=descriptor) as channel:
            channel.sendall(ASKED.pack(*asked))
            assert channel.recv(1) == b""
        assert raw.ask(Op.STATUS).members("result").members("status").number("readers") == 0

    def test_an_app_that_does_not_fetch_what_it_asked_for(self, world: AgentWorld, raw: Raw) -> None:
        world.vault.put([DATA * 5], name="app/chat", kind=OTHER)
        raw.hello().ask(Op.GET, name="app/chat", part="", version=None)
        descriptor = raw.line.descriptor()
        assert descriptor is not None
        with socket.socket(fileno=descriptor) as channel:
            channel.sendall(ASKED.pack(0, 4 * 1024 * 1024))
            assert raw.ask(Op.STATUS).members("result").members("status").number("readers") == 0  # 0.5 s later


class TestLimits:
    def test_connections(self, world: AgentWorld) -> None:
        world.start(limits=AgentLimits(connections=3))
        with ExitStack() as open_now:
            for _ in range(3):
                open_now.callback(Raw(world.socket).hello().line.close)
            with pytest.raises(AgentBusy):
                world.client(seconds=0.1).status()
        assert world.client().status().application == "app"

    def test_readers(self, world: AgentWorld) -> None:
        world.start(limits=AgentLimits(readers=2))
        world.vault.put([DATA], name="app/chat", kind=OTHER)
        client = world.client(seconds=0.1)
        with client.get("app/chat"), client.get("app/chat"), pytest.raises(AgentBusy):
            client.get("app/chat")
        client.get("app/chat").close()

    def test_requests(self, world: AgentWorld) -> None:
        world.start(limits=AgentLimits(requests_per_second=5))
        client = world.client(seconds=0.1)
        waits = [self.waits(client) for _ in range(20)]
        assert waits[:5] == [0.0] * 5
        assert 0 < max(waits) <= 1
        assert world.client(seconds=10).status().application == "app"

    def waits(self, client: AgentClient) -> float:
        try:
            client.status()
        except AgentBusy as busy:
            return busy.retry_after_seconds or 0.0
        return 0.0

    def test_what_is_refused_is_written_down_and_so_it_is_not_for_nothing(self, world: AgentWorld) -> None:
        world.start(limits=AgentLimits(refusals_per_minute=4))
        client = world.client(seconds=5)
        for _ in range(4):
            with pytest.raises(ArtifactUnknown):
                client.find("app/none")
        for _ in range(10):
            with pytest.raises(AgentBusy):
                client.find("app/none")
        with pytest.raises(AgentBusy):
            client.put([DATA], name="app/new", kind=OTHER)
        entries = [each for each in world.vault.audit.entries() if each.record.act is AuditAct.DENIED]
        assert [each.record.name for each in entries] == ["app/none"]
        world.vault.flush()
        (last,) = [each for each in world.vault.audit.entries() if each.record.act is AuditAct.DENIED][1:]
        assert last.record.facts["repeats"] == "3"

    def test_denials_do_not_fill_the_disk(self, world: AgentWorld) -> None:
        """Every way to be refused, as fast as it goes: each is counted, few are entries."""
        world.start(limits=AgentLimits(refusals_per_minute=100_000, deletions_per_minute=100_000))
        world.vault.put([DATA], name="readable/m", kind=OTHER)
        world.vault.put([DATA], name="other/m", kind=OTHER)
        client, asked = world.client(), 0
        for number in range(60):
            for ask in (
                lambda: client.get("other/m"),
                lambda: client.find("app/none"),
                lambda: client.delete("readable/m"),
                lambda: client.put([b"x"], name="readable/n", kind=OTHER),
                lambda number=number: client.find(f"app/made-up-{number}"),
            ):
                with pytest.raises((ArtifactUnknown, PolicyViolation)):
                    ask()
                asked += 1
        world.vault.flush()
        denied = [each.record for each in world.vault.audit.entries() if each.record.act is AuditAct.DENIED]
        assert sum(int(each.facts.get("repeats", "1")) for each in denied) == asked
        assert len(denied) < 30

    def test_few_requests_of_one_app_are_in_the_vault_at_once(
        self, world: AgentWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many connections it has: another app waits for these at most."""
        world.start(limits=AgentLimits(working=2))
        world.vault.put([DATA], name="app/m", kind=OTHER)
        inside, most, lock, find = 0, 0, threading.Lock(), world.vault.find

        def slow_find(*arguments: object) -> object:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1
            return find(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(world.vault, "find", slow_find)
        clients = [world.client() for _ in range(8)]
        asking = [threading.Thread(target=client.find, args=("app/m",)) for client in clients]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(20)
        assert most == 2

    def test_deletions(self, world: AgentWorld) -> None:
        world.start(limits=AgentLimits(deletions_per_minute=1))
        for name in ("app/1", "app/2"):
            world.vault.put([b"1"], name=name, kind=OTHER)
        client = world.client(seconds=10)
        client.delete("app/1")
        with pytest.raises(AgentBusy):
            client.delete("app/2")
        assert world.vault.epoch == 2


@contextmanager
def greedy(path: Path) -> Iterator[list[int]]:
    """Reads as much as it gets, and connects as often as it can, with half a frame each time."""
    ends, reads = threading.Event(), [0]

    def read() -> None:
        client = AgentClient(path)
        with client.get("both/large") as reader:
            while not ends.is_set():
                reader.pread(0, 4_000_000)
                reads[0] += 1
        client.close()

    def knock() -> None:
        while not ends.is_set():
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.send(b"\0" * (PREFIX_SIZE - 1))

    threads = [threading.Thread(target=work) for work in (read, read, read, knock)]
    for thread in threads:
        thread.start()
    try:
        yield reads
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def test_a_greedy_app_does_not_starve_the_others(world: AgentWorld, tmp_path: Path) -> None:
    """Both run as the same user: the other one is known by its program."""
    program = tmp_path / "other"
    shutil.copy2(Path(sys.executable).resolve(), program)
    world.start(applications={PeerRule(exe=str(program)): "other", PeerRule(uid=os.geteuid()): "app"})
    world.vault.put([DATA * 5], name="both/large", kind=OTHER)
    world.vault.put([DATA[:4096]], name="both/small", kind=OTHER)
    world.vault.put([DATA[:4096]], name="other/own", kind=OTHER)
    code = """
import pathlib, sys, time
from hallmark_client.device.agent import AgentClient
client, took = AgentClient(pathlib.Path(sys.argv[1])), []
for _ in range(9):
    begun = time.monotonic()
    assert len(client.read("both/small")) == len(client.read("other/own")) == 4096
    took.append(time.monotonic() - begun)
print(sorted(took)[4])
"""
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with greedy(world.socket) as reads:
        wait_until(lambda: reads[0] > 3)
        done = subprocess.run(
            [program, "-c", code, world.socket], check=False, env=environment, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2.0  # seconds for two reads, on a busy machine


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
