"""The real service as what is measured: a throw-away home, ten thousand enrolled devices, and events that are made by
suspending artifacts, each signed, logged, committed and put into the global feed.
"""

import contextlib
import hashlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc

from hallmark.v1 import artifacts_pb2, artifacts_pb2_grpc
from hallmark_client.profile import Profile
from hallmark_client.system import System
from kms.cli.bench.processes import started
from kms.cli.bench.streams_identities import Identity
from kms.cli.child import ServerProcess
from kms.cli.output import write_file
from kms.config import load_config
from kms.core.database import Database
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.model import DeviceClass, DeviceVerdict
from kms.devices.verdict_store import verdict_json, verdict_table
from kms.server.local_ca import LOCAL_TENANT

PARENT: Final = f"tenants/{LOCAL_TENANT}"
_SPARE_STREAMS: Final = 100
_TIMEOUT_SECONDS: Final = 30.0


@dataclass(slots=True)
class Service:
    """`artifacts`: what calls ArtifactService as the admin."""

    process: ServerProcess
    artifacts: Any
    published: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        """Not by name, which every connect would look up."""
        return self.process.address.replace("localhost", "127.0.0.1")

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
def service(folder: Path, subscribers: int) -> Iterator[Service]:
    """`hallmark serve` with its default settings, but for the number of streams. Raises CommandError."""
    settings = folder / "settings.toml"
    write_file(settings, f"[server]\nstreams_total = {subscribers + _SPARE_STREAMS}\n".encode())
    process = ServerProcess(home=folder / "home", log_file=folder / "server.log", settings_file=settings)
    try:
        process.start()
        profile = Profile.load(process.home / "clients" / "admin")
        credentials = grpc.ssl_channel_credentials(profile.ca_pem, profile.key_pem, profile.cert_pem)
        with grpc.secure_channel(profile.address, credentials) as channel:
            yield Service(process, artifacts_pb2_grpc.ArtifactServiceStub(channel))  # type: ignore[no-untyped-call]
    finally:
        process.stop()


@dataclass(slots=True)
class Floor:
    """kms.cli.bench.streams_floor as what is measured."""

    child: subprocess.Popen[bytes]
    address: str

    @property
    def pid(self) -> int:
        return self.child.pid

    def publish(self) -> float:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        began = time.monotonic()
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        self.child.stdout.readline()
        return began


@contextlib.contextmanager
def floor(home: Path, *flags: str) -> Iterator[Floor]:
    """`flags`: --plaintext, --guard."""
    with started([["kms.cli.bench.streams_floor", f"--home={home}", *flags]]) as (child,):
        assert child.stdout is not None
        yield Floor(child, json.loads(child.stdout.readline())["address"])


def enrol(home: Path, identities: Sequence[Identity]) -> None:
    """As rows: what is measured is streams, not ten thousand attestations. Beside the server, which may run."""
    now = datetime.now(UTC)
    verdict = _verdict(now)
    judged = {"verdict": verdict_json.dump_json(verdict).decode(), "evidence": b"", "challenge": bytes(32)}
    row = verdict_table.insert().values(tenant=LOCAL_TENANT, id=verdict.name.id, create_time=now, **judged)
    database = Database(load_config(None, overrides={"home": home}).database_url)
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
