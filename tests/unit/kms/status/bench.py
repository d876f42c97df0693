"""The publisher of snapshots over a service in memory, and a reader that has nothing but the files."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hallmark_events.manifest import VerifiedManifest
from hallmark_events.snapshot import Snapshot, read_manifest
from hallmark_events.verified import EventVerifier
from kms.events.model import SIGNING_KEY_ID, Status
from kms.keys.algorithms import ALGORITHMS
from kms.keys.model import SYSTEM_TENANT
from kms.public.files import FolderPublicFiles, PublicFiles
from kms.status import lists
from kms.status.model import TOKEN_KEY_ID, Pace
from kms.status.place import StatusPlace
from kms.status.publisher import SnapshotPublisher
from kms.status.schedule import SnapshotSchedule
from kms.status.tokens import TokenSigner
from unit.kms.revocation.bench import ISSUER, TENANT, Bench, running

BASE = "https://status.example"
ENTRIES = 1024
REMOVAL = 86_400
PACE = Pace(interval=timedelta(seconds=60), lifetime=timedelta(seconds=900))
__all__ = ["BASE", "ENTRIES", "ISSUER", "TENANT", "Reader", "StatusBench", "status_running"]


@dataclass
class Reader:
    """A device with plain HTTP: it keeps a snapshot and goes from manifest to manifest."""

    fetch: Callable[[str], bytes]
    verifier: EventVerifier
    snapshot: Snapshot = field(default_factory=Snapshot)
    asked: list[str] = field(default_factory=list)

    def read(self, path: str) -> bytes:
        self.asked.append(path)
        return self.fetch(f"status/{TENANT}/{path}")

    def manifest(self, bench: "StatusBench") -> VerifiedManifest:
        """By the signature and the proof that lie under its own SHA-256."""
        now = bench.service.clock.now()
        return read_manifest(self.read, self.verifier, tenant=TENANT, seen=self.snapshot.seen, now=now)

    def update(self, bench: "StatusBench") -> VerifiedManifest:
        self.asked.clear()
        verified = self.manifest(bench)
        self.snapshot.update(verified, self.read, self.verifier)
        return verified

    @property
    def held(self) -> tuple[bytes, dict[int, bytes]]:
        """Digest of the state, and each list's bytes."""
        return self.snapshot.state.digest(), {number: each.raw for number, each in self.snapshot.lists.items()}


@dataclass
class StatusBench:
    service: Bench
    public: Path
    schedule: SnapshotSchedule

    @property
    def publisher(self) -> SnapshotPublisher:
        return self.schedule.publisher

    def reader(self, fetch: Callable[[str], bytes] | None = None) -> Reader:
        keys = {f"tenants/{SYSTEM_TENANT}/keys/{SIGNING_KEY_ID}/versions/1": self.service.public_key}
        log = tuple(self.service.log.verifier_keys())
        verifier = EventVerifier(trusted_keys=keys, log_policy=log, issuer=ISSUER, parent=f"tenants/{TENANT}")
        return Reader(fetch or (lambda path: (self.public / path).read_bytes()), verifier)

    async def subject(self) -> str:
        """A new one that has an index."""
        name = f"tenants/{TENANT}/devices/{uuid.uuid4()}"
        await self.service.database.write(
            lambda tx: lists.allocate(tx, TENANT, name, self.service.randomness, entries=ENTRIES)
        )
        return name

    async def set(self, subject: str, status: Status) -> None:
        await self.service.database.write(lambda tx: lists.set_value(tx, TENANT, subject, status))

    async def status(self, reader: Reader, subject: str) -> Status:
        found = await self.service.database.read(lambda tx: lists.reference(tx, subject))
        assert found is not None
        return Status(reader.snapshot.lists[found.list][found.idx])

    async def passes(self, seconds: float) -> int:
        """Time, and one look."""
        self.service.clock.advance(seconds)
        return await self.schedule.step()

    def another(self, files: PublicFiles | None = None) -> SnapshotSchedule:
        """A second replica over the same database, or this one after a restart."""
        return make_schedule(self.service, files or FolderPublicFiles(self.public))


def make_schedule(service: Bench, files: PublicFiles) -> SnapshotSchedule:
    publisher = SnapshotPublisher(
        events=service.revocations.events,
        files=files,
        place=StatusPlace(service.database, BASE, lambda: "http://127.0.0.1:1"),
        tokens=TokenSigner(service.signing),
        pace=PACE,
        satisfies=lambda _promise: True,
        removal_times=lambda _tx, _tenant: (REMOVAL,),
        entries=ENTRIES,
    )
    return SnapshotSchedule(publisher=publisher, clock=service.clock)


@contextlib.asynccontextmanager
async def status_running(folder: Path) -> AsyncIterator[StatusBench]:
    async with running(folder) as service:
        await service.keys.ensure_service_key(
            TOKEN_KEY_ID, service.clock.now(), algorithm=ALGORITHMS["ECDSA_P256_SHA256"]
        )
        public = folder / "public"
        task = asyncio.create_task(_keep_logging(service))
        try:
            yield StatusBench(service, public, make_schedule(service, FolderPublicFiles(public)))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _keep_logging(service: Bench) -> None:
    while True:
        await service.log.step()
        await asyncio.sleep(0.002)
