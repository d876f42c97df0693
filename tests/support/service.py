"""The real service as a child process, for tests that speak to it over mTLS: `hallmark serve` with a home of its own.

Devices come from a virtual vendor whose throw-away root the service is told to trust.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.testing import VirtualPhone, VirtualVendor
from hallmark_client import Client, Profile
from kms.cli.lasting_port import lasting_port
from support.database import migrated_sqlite
from support.warm_server import WarmProcess

START_SECONDS = 60
_FOR_TESTS = {
    "HALLMARK__SERVER__DEVICE_RATE_PER_SECOND": "2000",  # one device identity serves all tests of a worker
    "HALLMARK__HSM__SIGNERS": "1",  # each is a process to start; by default there is one for each core
}
STOP_SECONDS = 20


@dataclass(slots=True)
class RunningService:
    """A home folder and the process that serves it. `phone` is a device the service believes."""

    home: Path
    phone: VirtualPhone
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | WarmProcess | None = None
    prefix: tuple[str, ...] = ()
    """A program that runs it, such as `ip netns exec`."""

    @property
    def log(self) -> str:
        return (self.home / "server.log").read_text()

    @property
    def facts(self) -> dict[str, object]:
        return json.loads((self.home / "server.json").read_text())

    def start(self) -> None:
        (self.home / "server.json").unlink(missing_ok=True)
        arguments = ["serve", "--home", str(self.home), "--config", str(self.home / "settings.toml")]
        arguments += ["--port", "0", "--public-port", "0", *self.options]
        environment = {**os.environ, **_FOR_TESTS, **self.environment}
        log = self.home / "server.log"
        log.touch(0o600)
        # What is not a setting of ours may be one of the interpreter, or of a library: those are read when they begin.
        is_ours = all(name.startswith("HALLMARK") for name in self.environment)
        start = WarmProcess if is_ours and not self.prefix else partial(_start_cold, self.prefix)
        self.process = start(arguments, log=log, environment=environment, folder=self.home)
        deadline = time.monotonic() + START_SECONDS
        while not (self.home / "server.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the service did not start:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Asks for a drain, as an operator would. The exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """What a power cut does to the process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def client(self, role: str = "admin", *, timeout_seconds: float = 20) -> Client:
        return Client(self.profile(role), timeout_seconds=timeout_seconds)

    def profile(self, role: str = "admin") -> Profile:
        return Profile.load(self.home / "clients" / role)

    def audit(self) -> list[dict[str, object]]:
        """The audit lines so far. They are written a moment after their calls."""
        time.sleep(0.2)
        lines = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [line for line in lines if line["logger"] == "hallmark.audit"]


def _start_cold(
    prefix: tuple[str, ...], arguments: list[str], *, log: Path, environment: dict[str, str], folder: Path
) -> subprocess.Popen[bytes]:
    command = [*prefix, sys.executable, "-m", "kms.cli.main", *arguments]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)


def prepare_home(home: Path, *, settings: str = "") -> VirtualPhone:
    """Settings, the throw-away root, an empty, fresh status list, and the tables that a first start would make.

    Returns a phone under that root.
    """
    now = datetime.now(UTC)
    vendor = VirtualVendor.create(now=now)
    root = x509.load_der_x509_certificate(vendor.certificate).public_bytes(Encoding.PEM)
    (home / "throw-away-root.pem").write_bytes(root)
    (home / "status.json").write_text('{"entries": {}}')
    if not (home / "hallmark.db").exists():
        (home / "hallmark.db").write_bytes(migrated_sqlite())
    (home / "settings.toml").write_text(
        f"{settings}\n[devices]\n"
        f'android_status = "{home / "status.json"}"\n'
        f'extra_android_roots = ["{home / "throw-away-root.pem"}"]\n'
    )
    return VirtualPhone.create(vendor, now=now)


@contextmanager
def running_service(
    home: Path,
    *,
    settings: str = "",
    options: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
    same_ports: bool = False,
) -> Iterator[RunningService]:
    """`same_ports`: started again, it serves where it served before."""
    home.mkdir(exist_ok=True)
    service = RunningService(home, prepare_home(home, settings=settings), options, environment or {})
    if same_ports:
        service.options += ("--port", str(lasting_port()), "--public-port", str(lasting_port()))
        service.environment = {"HALLMARK__OBSERVING__PORT": "0", **service.environment}  # not the well-known one
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for all tests of a worker; tests use names of their own. Beside the roles it knows three admins, and it
    has two signers.
    """
    settings = '[server]\nadmins = ["alice", "bob", "carol"]'
    signers = {"HALLMARK__HSM__SIGNERS": "2"}
    with running_service(tmp_path_factory.mktemp("service"), settings=settings, environment=signers) as running:
        yield running


@pytest.fixture
def live_client(service: RunningService) -> Iterator[Client]:
    """An admin's client of the real service."""
    with service.client() as client:
        yield client
