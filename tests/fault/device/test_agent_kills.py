"""The agent is killed while many apps read and store: each app gets right bytes or an error, and goes on when it is back.

HALLMARK_FAULT_KILLS says how often. The apps are threads with a client each: what they share is only the agent.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hallmark_client.device.agent import AgentClient, AgentUnavailable
from hallmark_client.device.errors import ArtifactExists
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.choose import open_root, secret_file
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from support.fault_runs import KILLS, LONG, SEED

APPS = 50
ROUNDS = KILLS if LONG else 3
CONTENT = random.Random(SEED).randbytes(1_500_000)


@dataclass
class Served:
    """A vault whose agent is a process of its own."""

    folder: Path
    process: subprocess.Popen[str] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "s"

    @property
    def root(self) -> str:
        return f"passphrase:{self.folder / 'root.json'}"

    def make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text("a passphrase for tests\n")
        secret.chmod(0o600)
        root = open_root(self.root, passphrase=secret_file(secret))
        with Vault.open(self.folder / "vault", root, policy=VaultPolicy.allow_own("app")) as vault:
            vault.put([CONTENT], name="model", kind=ArtifactKind.MODEL_WEIGHTS)
        root.close()

    def start(self) -> None:
        arguments = {
            "--vault": self.folder / "vault",
            "--root": self.root,
            "--secret-file": self.folder / "secret",
            "--socket": self.socket,
            "--app": f"app=uid={os.geteuid()}",
        }
        command = [sys.executable, "-m", "hallmark_client.device.agent"]
        command += ["--limit", "connections=128", "--limit", "readers=64"]  # one application has them all
        for name, value in arguments.items():
            command += [name, str(value)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == f"serving {self.socket}\n"

    def end(self, number: signal.Signals) -> int:
        assert self.process
        assert self.process.stdout
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process.stdout.close()
        self.process = None
        return code


@pytest.fixture
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="agent-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        served = Served(Path(folder))
        served.make()
        served.start()
        yield served
        if served.process is not None:
            served.end(signal.SIGKILL)


@dataclass
class Apps:
    socket: Path
    ends: threading.Event = field(default_factory=threading.Event)
    reads: list[int] = field(default_factory=lambda: [0] * APPS)
    stored: dict[str, bytes] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def read(self, number: int) -> None:
        dice = random.Random(number)
        with AgentClient(self.socket, seconds=120.0) as client, client.get("model") as reader:
            while not self.ends.is_set():
                at, size = dice.randrange(len(CONTENT)), dice.choice((100, 4096, 400_000))
                if reader.pread(at, size) != CONTENT[at : at + size]:
                    self.failures.append(f"app {number} got other bytes")
                self.reads[number] += 1
                time.sleep(0.02)

    def store(self) -> None:
        number = 0
        with AgentClient(self.socket, seconds=120.0) as client:
            while not self.ends.is_set():
                name, content = f"new/{number}", CONTENT[: 1 + number * 7_919 % 300_000]
                try:
                    client.put([content], name=name, kind=ArtifactKind.OTHER)
                except (AgentUnavailable, ArtifactExists):  # it may have been stored: asked below
                    if name not in {each.name for each in client.artifacts()}:
                        continue
                self.stored[name] = content
                number += 1

    def run(self, work: object, *arguments: object) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except Exception as error:  # told by the test
            self.failures.append(repr(error))


def test_fifty_apps_and_an_agent_that_is_killed(served: Served, record_property: object) -> None:
    apps = Apps(served.socket)
    threads = [threading.Thread(target=apps.run, args=(apps.read, number)) for number in range(APPS)]
    threads.append(threading.Thread(target=apps.run, args=(apps.store,)))
    for thread in threads:
        thread.start()
    dice = random.Random(SEED)
    try:
        for _ in range(ROUNDS):
            before = list(apps.reads)
            until = time.monotonic() + 60
            while any(now == was for now, was in zip(apps.reads, before, strict=True)) and not apps.failures:
                assert time.monotonic() < until, "an app does not go on"
                time.sleep(0.02)
            time.sleep(dice.random() * 0.2)
            served.end(signal.SIGKILL)
            served.start()
    finally:
        apps.ends.set()
        for thread in threads:
            thread.join(120)
    assert apps.failures == []
    assert served.end(signal.SIGTERM) == 0
    assert not served.socket.exists()
    check(served, apps)
    record_property("fault totals", f"agent: {ROUNDS} kills under {APPS} apps, {sum(apps.reads)} reads")  # type: ignore[operator]


def check(served: Served, apps: Apps) -> None:
    """What was acknowledged is there, whole; the chain holds."""
    served.start()
    with AgentClient(served.socket) as client:
        for name, content in apps.stored.items():
            assert client.read(name) == content
    served.end(signal.SIGTERM)
    root = open_root(served.root, passphrase=secret_file(served.folder / "secret"))
    with Vault.open(served.folder / "vault", root) as vault:
        assert vault.check().damages == ()
        assert {each.name for each in vault.artifacts()} >= {"model", *apps.stored}
    root.close()
