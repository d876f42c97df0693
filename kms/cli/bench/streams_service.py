"""The real service as what is measured: throw-away homes, ten thousand enrolled devices, and events that are made by
suspending artifacts at the first replica, each signed, logged, committed and put into the global feed.
"""

import contextlib
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc

from hallmark.v1 import artifacts_pb2, artifacts_pb2_grpc
from hallmark_client.profile import Profile
from hallmark_client.system import System
from kms.cli.bench.processes import started
from kms.cli.bench.streams_identities import Identity
from kms.cli.child import ServerProcess, as_toml
from kms.cli.output import write_file
from kms.config import load_config
from kms.core.database import Database
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.model import DeviceClass, DeviceVerdict
from kms.devices.verdict_store import verdict_json, verdict_table
from kms.events.handing import LOGGER_NAME as HANDING_LOGGER
from kms.server.local_ca import LOCAL_TENANT

PARENT: Final = f"tenants/{LOCAL_TENANT}"
_SPARE_STREAMS: Final = 100
_TIMEOUT_SECONDS: Final = 30.0


@dataclass(slots=True)
class Service:
    """`processes`: the replicas. `artifacts`: what calls ArtifactService of the first as the admin."""

    processes: Sequence[ServerProcess]
    artifacts: Any
    published: int = 0

    @property
    def home(self) -> Path:
        return self.processes[0].home

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    @property
    def addresses(self) -> list[str]:
        """Not by name, which every connect would look up."""
        return [process.address.replace("localhost", "127.0.0.1") for process in self.processes]

    def handed_out_ms(self) -> list[tuple[int, float]]:
        lines = [line for process in self.processes for line in process.log_file.read_bytes().splitlines()]
        found = [json.loads(line) for line in lines if HANDING_LOGGER.encode() in line]
        return [(line["streams"], line["milliseconds"]) for line in found]

    def publish(self) -> float:
        self.published += 1
        digest = hashlib.sha256(f"bench artifact {self.published}".encode()).hexdigest()
        request = artifacts_pb2.SetArtifactStatusRequest(
            name=f"{PARENT}/artifacts/{digest}",
            state=artifacts_pb2.ARTIFACT_STATE_SUSPENDED,
            request_id=System().request_id(),
        )
        began = time.monotonic()
        self.artifacts.SetArtifactStatus(request, timeout=_TIMEOUT_SECONDS)
        return began


@contextlib.contextmanager
def service(folder: Path, subscribers: int, *, replicas: int = 1, database: str | None = None) -> Iterator[Service]:
    """`hallmark serve` with its default settings, but for the number of streams. `database`: URL of an empty one, which
    more than one replica need. Raises CommandError.
    """
    settings = folder / "settings.toml"
    write_file(settings, _settings(folder, subscribers, database).encode())
    with contextlib.ExitStack() as running:
        processes: list[ServerProcess] = []
        for number in range(replicas):
            home = folder / f"home-{number}"
            if processes:
                _join(home, processes[0].home)
            process = ServerProcess(home=home, log_file=folder / f"server-{number}.log", settings_file=settings)
            running.callback(process.stop)
            process.start()
            processes.append(process)
        profile = Profile.load(processes[0].home / "clients" / "admin")
        credentials = grpc.ssl_channel_credentials(profile.ca_pem, profile.key_pem, profile.cert_pem)
        channel = running.enter_context(grpc.secure_channel(profile.address, credentials))
        yield Service(processes, artifacts_pb2_grpc.ArtifactServiceStub(channel))  # type: ignore[no-untyped-call]


def _settings(folder: Path, subscribers: int, database: str | None) -> str:
    lines = ["[server]", f"streams_total = {subscribers + _SPARE_STREAMS}"]
    if database is not None:
        lines += ["[database]", f"url = {as_toml(database)}"]
        lines += ["[log]", 'origin = "log.example/bench"', f"public_folder = {as_toml(str(folder / 'public'))}"]
    return "\n".join(lines) + "\n"


def _join(home: Path, first: Path) -> None:
    """A replica has copies of the first one's certificates, and its token."""
    home.mkdir(mode=0o700)
    for name in ("tls", "clients"):
        shutil.copytree(first / name, home / name)
    (home / "hsm").symlink_to(first / "hsm")


@dataclass(slots=True)
class Floor:
    """kms.cli.bench.streams_floor as what is measured."""

    child: subprocess.Popen[bytes]
    address: str
    handed: list[tuple[int, float]] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        return [self.child.pid]

    @property
    def addresses(self) -> list[str]:
        return [self.address]

    def handed_out_ms(self) -> list[tuple[int, float]]:
        return self.handed

    def publish(self) -> float:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        began = time.monotonic()
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        streams, milliseconds = json.loads(self.child.stdout.readline())["handed"]
        self.handed.append((streams, milliseconds))
        return began


@contextlib.contextmanager
def floor(home: Path, *flags: str) -> Iterator[Floor]:
    """`flags`: --plaintext, --guard."""
    with started([["kms.cli.bench.streams_floor", f"--home={home}", *flags]]) as (child,):
        assert child.stdout is not None
        yield Floor(child, json.loads(child.stdout.readline())["address"])


def enrol(home: Path, identities: Sequence[Identity], *, database_url: str | None = None) -> None:
    """As rows: what is measured is streams, not ten thousand attestations. Beside the server, which may run."""
    now = datetime.now(UTC)
    verdict = _verdict(now)
    judged = {"verdict": verdict_json.dump_json(verdict).decode(), "evidence": b"", "challenge": bytes(32)}
    row = verdict_table.insert().values(tenant=LOCAL_TENANT, id=verdict.name.id, create_time=now, **judged)
    database = Database(database_url or load_config(None, overrides={"home": home}).database_url)
    try:
        with database.engine.begin() as tx:
            tx.execute(row)
            for identity in identities:
                store.enrol(
                    tx,
                    identity.device,
                    key_spki=identity.key_spki,
                    verdict=verdict,
                    device_class=DeviceClass.HARDWARE,
                    counter=0,
                    hpke_key=None,
                    activated_ak=None,
                    now=now,
                )
    finally:
        database.close()


def _verdict(now: datetime) -> DeviceVerdict:
    """One for all of them."""
    return DeviceVerdict(
        name=ChildName(LOCAL_TENANT, "verdicts", "00000000-0000-7000-8000-000000000000"),
        format="bench",
        authentic=True,
        appraised=True,
        reasons=(),
        detail="a row of a benchmark's throw-away database",
        claims={},
        not_checked=(),
        input_sha256={},
        verify_time=now,
    )
