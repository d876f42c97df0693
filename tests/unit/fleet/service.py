"""The server's side of a fleet: the real services over SQLite, a clock that stands until a test moves it.

Consents, leases, removals and feeds are those of the service. Only the devices' rows are written without attestations:
ten thousand of them share the verdict of one virtual phone.
"""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.engine import Connection

from hallmark.v1 import consent_pb2, removal_pb2
from hallmark_client.removals import deletion_receipt
from hallmark_client.wire.removals import receipt_argument
from hallmark_events.canonical import canonical_json
from hallmark_events.event_set import EventSet
from kms.app.consent import ConsentParts, make_consent
from kms.app.removal import RemovalParts, make_orders, make_removal
from kms.config import Config
from kms.consent import store as consent_store
from kms.consent.given import GivenLeases
from kms.core.call import Call, Channel
from kms.core.database import Database, metadata
from kms.core.identity import Caller, Role
from kms.core.names import ChildName, DigestName
from kms.events import history
from kms.events.model import ALL, device_feed
from kms.events.ports import Delivery
from kms.events.releasing import Releaser
from kms.removal.model import Report
from kms.removal.observing import RemovalObserver
from kms.removal.overdue import OverdueDevices
from kms.status import lists
from support.clock import FakeClock
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.revocation.bench import TENANT

_ROWS = 500


@dataclass(frozen=True, slots=True)
class FeedEnd:
    """What a bookmark of one device's feed says."""

    epoch: bytes
    sequence: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class News:
    """One event of one device's feed."""

    device: ChildName
    event: EventSet


@dataclass(slots=True)
class FleetService:
    base: DeviceBench
    consents: ConsentParts
    removals: RemovalParts
    observer: RemovalObserver
    releaser: Releaser
    keys: dict[ChildName, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    _parsed: dict[str, EventSet] = field(default_factory=dict)
    _told: int = 0
    """How much of the tenant's events `news` has told."""

    @property
    def clock(self) -> FakeClock:
        return self.base.service.clock

    @property
    def database(self) -> Database:
        return self.base.service.database

    def move_to(self, moment: datetime) -> None:
        self.clock.advance((moment - self.clock.now()).total_seconds())

    async def enrol(self, count: int) -> list[ChildName]:
        """Devices with keys of their own, and places in the status lists."""
        _, phone = await self.base.enrol()
        table, tenant = metadata.tables["device"], TENANT
        names = [ChildName(tenant, "devices", str(uuid.UUID(int=number + 1))) for number in range(count)]
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in names}

        def insert(tx: Connection) -> None:
            first = dict(tx.execute(sa.select(table).where(table.c.id == phone.name.rpartition("/")[2])).one()._mapping)
            for start in range(0, count, _ROWS):
                some = names[start : start + _ROWS]
                tx.execute(table.insert(), [{**first, "id": each.id, "key_spki": self._spki(each)} for each in some])
            lists.allocate_many(tx, tenant, [str(each) for each in names], self.base.service.randomness)

        await self.database.write(insert)
        return names

    async def grant(self, devices: Sequence[ChildName], artifact: str) -> ChildName:
        """One consent, with the terms that a server has by default, and a lease for each of the devices: what each gets
        by AcquireLease, all in one transaction.
        """
        request = consent_pb2.GrantConsentRequest(
            parent=f"tenants/{TENANT}",
            subject=str(uuid.uuid4()),
            controller="https://bank.example",
            purposes=["dpv:FraudPreventionAndDetection"],
            artifacts=[{"artifact": artifact, "kind": consent_pb2.ARTIFACT_KIND_LORA_ADAPTER}],
            request_id=str(uuid.uuid4()),
        )
        answer = await self.consents.servicer.GrantConsent(request, self._call("GrantConsent"))
        name, digest = ChildName.parse(answer.consent.name, "consents"), DigestName.parse(artifact, "artifacts")
        giving, now = self.consents.servicer.leases.giving, self.clock.now()

        def give(tx: Connection) -> None:
            consent = consent_store.find(tx, name, lock=True)
            assert consent is not None
            assert giving.conditions.devices(tx, devices) == frozenset(devices)
            giving.give_in(tx, consent, [(each, digest) for each in devices], now)

        await self.database.write(give)
        return name

    async def withdraw(self, consent: ChildName) -> consent_pb2.WithdrawConsentResponse:
        request = consent_pb2.WithdrawConsentRequest(name=str(consent), request_id=str(uuid.uuid4()))
        return await self.consents.servicer.WithdrawConsent(request, self._call("WithdrawConsent"))

    async def renew_due(self) -> int:
        return await self.consents.upkeep.renewer.renew_due(self.clock.now())

    async def publish(self) -> None:
        """The log takes in what waits, and what was held goes into its feeds."""
        held = sa.select(sa.func.count()).select_from(metadata.tables["event_held"])
        while await self.database.read(lambda tx: tx.execute(held).scalar_one()):
            releasing = asyncio.create_task(self.releaser.release_due())
            while not releasing.done():
                await self.base.service.log.step()
                await asyncio.sleep(0)
            await releasing

    async def news(self) -> list[News]:
        """What was put into feeds of devices since it was asked before."""
        found: list[News] = []
        while True:
            rows = await self.database.read(lambda tx: history.outbox_after(tx, TENANT, self._told, limit=2000))
            if not rows:
                return found
            for sequence, places, event in rows:
                self._told = sequence
                if places:
                    told = self._parsed[event.id] = EventSet.parse(event.payload)
                    found += [News(_device_of(feed), told) for feed in places if feed.startswith("devices/")]

    async def ends(self) -> dict[ChildName, FeedEnd]:
        """Of every device's feed that has anything."""
        feed, subject = metadata.tables["feed"], metadata.tables["feed_subject"]
        mine = feed.c.tenant == TENANT

        def read(tx: Connection) -> dict[ChildName, FeedEnd]:
            epoch = tx.execute(sa.select(feed.c.epoch).where(mine, feed.c.name == ALL)).scalar_one()
            told: dict[str, list[tuple[str, str]]] = {}
            for row in tx.execute(sa.select(subject).where(subject.c.feed.startswith("devices/"))):
                told.setdefault(row.feed, []).append((row.subject, row.event))
            rows = tx.execute(sa.select(feed.c.name, feed.c.sequence).where(mine, feed.c.name.startswith("devices/")))
            return {_device_of(row.name): FeedEnd(epoch, row.sequence, _digest(told.get(row.name, []))) for row in rows}

        return await self.database.read(read)

    async def state(self, devices: Iterable[ChildName]) -> dict[ChildName, list[EventSet]]:
        """What a full transfer tells each of them: the newest event of each subject (kms.events.history.state_after)."""
        subject, names = metadata.tables["feed_subject"], list(devices)

        def read(tx: Connection) -> dict[ChildName, list[EventSet]]:
            found: dict[ChildName, list[EventSet]] = {each: [] for each in names}
            for start in range(0, len(names), _ROWS):
                feeds = [device_feed(each) for each in names[start : start + _ROWS]]
                mine = sa.and_(subject.c.tenant == TENANT, subject.c.feed.in_(feeds))
                rows = tx.execute(sa.select(subject).where(mine).order_by(subject.c.sequence)).all()
                events = history.find_events(tx, {row.event for row in rows} - self._parsed.keys())
                self._parsed |= {name: EventSet.parse(event.payload) for name, event in events.items()}
                for row in rows:
                    found[_device_of(row.feed)].append(self._parsed[row.event])
            return found

        return await self.database.read(read)

    async def delivered(self, ids: Iterable[tuple[ChildName, str]]) -> None:
        await self.observer.delivered([Delivery(device, (jti,)) for device, jti in ids], self.clock.now())

    async def acknowledged(self, ids: Sequence[tuple[ChildName, str]]) -> None:
        now = self.clock.now()

        def note(tx: Connection) -> None:
            for device, jti in ids:
                self.observer.acknowledged_in(tx, device, jti, "", now)

        await self.database.write(note)

    async def take_receipt(self, device: ChildName, command: EventSet) -> None:
        """Made and signed by the device, checked, countersigned and logged by the service."""
        now, key = self.clock.now(), self.keys[device]
        receipt = deletion_receipt(
            command,
            device=str(device),
            jti=self.base.service.revocations.events.new_id(now),
            epoch_before=0,
            epoch_after=1,
            audit_head=hashlib.sha256(device.id.encode()).digest(),
            boot_id=str(uuid.UUID(int=1)),
            device_time=now,
            sign=lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())),
        )
        request = removal_pb2.SubmitDeletionReceiptRequest(
            removal=command.subject, receipt=receipt_argument(receipt), request_id=str(uuid.uuid4())
        )
        await self.removals.servicer.SubmitDeletionReceipt(request, self._device_call(device))

    async def keep(self) -> None:
        """One round of the removals' background work, which does not hide what goes wrong."""
        now = self.clock.now()
        while await self.removals.keeper.deadlines.check_due(now):
            pass
        await self.removals.keeper.enforcement.enforce_due(now)

    async def report(self) -> Report:
        reader = self.removals.servicer.reader
        now = self.clock.now()
        return await reader.report(TENANT, since=None, until=None, now=now)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        query = sa.select(metadata.tables[table])
        return await self.database.read(lambda tx: [dict(row._mapping) for row in tx.execute(query)])

    def _spki(self, device: ChildName) -> bytes:
        return self.keys[device].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def _call(self, method: str) -> Call:
        return self.base.service.call(method, role=Role.BACKEND)

    def _device_call(self, device: ChildName) -> Call:
        name = f"d-{device.id}"
        uri = f"spiffe://hallmark.test/tenants/{TENANT}/device/{name}"
        who = Caller(uri, TENANT, Role.DEVICE, name)
        channel = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768")
        return Call(f"call-{uuid.uuid4()}", "SubmitDeletionReceipt", who, channel, self.clock.now())


def artifact_named(number: int) -> str:
    return str(DigestName(TENANT, "artifacts", hashlib.sha256(f"adapter {number}".encode()).hexdigest()))


def _device_of(feed: str) -> ChildName:
    return ChildName(TENANT, "devices", feed.removeprefix("devices/"))


def _digest(told: list[tuple[str, str]]) -> bytes:
    return hashlib.sha256(canonical_json([[subject, jti] for subject, jti in sorted(told)])).digest()


@contextlib.asynccontextmanager
async def fleet_service(folder: Path) -> AsyncIterator[FleetService]:
    async with devices_running(folder) as base:
        service, config = base.service, Config()
        revocations = service.revocations
        orders = make_orders(config, revocations.events, GivenLeases())
        consents = await make_consent(
            config.consent,
            revocations.events,
            clock=service.clock,
            status_uri=lambda tenant, place: f"https://status.example/status/{tenant}/lists/{place.list}",
            removals=orders,
            blocked=OverdueDevices(),
        )
        removals = make_removal(
            config, orders=orders, revocations=revocations, devices=base.devices, clock=service.clock
        )
        yield FleetService(
            base=base,
            consents=consents,
            removals=removals,
            observer=RemovalObserver(base.service.database),
            releaser=Releaser(revocations.events, service.clock, satisfies=lambda promise: True),
        )
