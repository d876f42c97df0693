"""Removals on the bench of the devices: the whole service below gRPC, a clock that stands, devices that give receipts."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.engine import Connection

from attestation.testing import DeviceKey
from hallmark.v1 import devices_pb2, removal_pb2
from hallmark_client import Evidence
from hallmark_client.model.removals import DeletionReceipt
from hallmark_client.removals import deletion_receipt
from hallmark_client.wire.removals import receipt_argument
from kms.app.removal import RemovalParts, make_orders, make_removal
from kms.config import Config, RemovalConfig
from kms.consent.removal_port import RemovalOrder
from kms.core.call import Call, Channel
from kms.core.database import Database, metadata
from kms.core.identity import Caller, Role
from kms.core.names import ChildName, DigestName
from kms.events import history
from kms.events.model import Event, InitiatingEntity, device_feed
from kms.events.ports import Delivery
from kms.removal import store
from kms.removal.keeper import RemovalKeeper
from kms.removal.model import Removal, RemovalState
from kms.removal.observing import RemovalObserver
from kms.removal.requests import RemovalOrders
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.revocation.bench import TENANT

ARTIFACT = DigestName(TENANT, "artifacts", "ab" * 32)
CONSENT = ChildName(TENANT, "consents", "0193b3f0-0000-7000-8000-000000000001")
PROMISE = timedelta(hours=24)
UNREACHABLE = timedelta(hours=1)
BOOT_ID = "1f0a5d8e-2b63-4d0e-9d5b-0f4c7f5f3f11"


@dataclass
class LeasesInHand:
    """What a test says of the leases."""

    end: datetime | None = None
    ended: int = 0
    suspended: set[ChildName] = field(default_factory=set)

    def last_end(self, tx: Connection, device: ChildName, artifact: DigestName) -> datetime | None:
        return self.end

    def end_in(self, tx: Connection, device: ChildName, artifact: DigestName, now: datetime) -> None:
        self.ended += 1

    def suspend_in(self, tx: Connection, device: ChildName) -> None:
        self.suspended.add(device)

    def resume_in(self, tx: Connection, device: ChildName, now: datetime) -> None:
        self.suspended.discard(device)


@dataclass(frozen=True)
class Holder:
    """An enrolled device that may give receipts."""

    name: ChildName
    key: DeviceKey

    def sign(self, message: bytes) -> bytes:
        assert isinstance(self.key.private_key, ec.EllipticCurvePrivateKey)
        return self.key.private_key.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class RemovalBench:
    base: DeviceBench
    leases: LeasesInHand
    orders: RemovalOrders
    parts: RemovalParts
    observer: RemovalObserver
    config: Config

    @property
    def database(self) -> Database:
        return self.base.service.database

    @property
    def now(self) -> datetime:
        return self.base.service.clock.now()

    @property
    def keeper(self) -> RemovalKeeper:
        return self.parts.keeper

    def use(self, database: Database) -> None:
        """For everything that writes; the events of all of them are one object."""
        self.parts.servicer.receipts.events.database = database
        self.observer.database = database

    def replica(self) -> RemovalKeeper:
        """Another server's keeper over the same database."""
        return self._made(self.config).keeper

    def not_revoking(self) -> RemovalKeeper:
        """As with removal.revoke_overdue = false."""
        return self._made(Config(removal=RemovalConfig(revoke_overdue=False))).keeper

    def _made(self, config: Config) -> RemovalParts:
        return make_removal(
            config,
            orders=self.orders,
            revocations=self.base.service.revocations,
            devices=self.base.devices,
            clock=self.base.service.clock,
        )

    def advance(self, span: timedelta) -> None:
        self.base.service.clock.advance(span.total_seconds())

    async def keep(self) -> None:
        """One round of the background work, which does not hide what goes wrong."""
        keeper, now = self.keeper, self.now
        while await keeper.deadlines.check_due(now):
            pass
        while await keeper.enforcement.enforce_due(now):
            pass
        await keeper.days.close_due(now)

    async def enrol(self) -> Holder:
        key, device = await self.base.enrol()
        return Holder(ChildName.parse(device.name, "devices"), key)

    def order(self, device: ChildName, **changes: Any) -> RemovalOrder:
        """As a withdrawal gives it."""
        order = RemovalOrder(
            device=device,
            artifact=ARTIFACT,
            consent=CONSENT,
            deadline=self.now + PROMISE,
            user="pairwise-pseudonym-of-somebody",
            effective_time=self.now,
            initiating_entity=InitiatingEntity.USER,
            transaction_id="call-1",
        )
        return replace(order, **changes)

    async def withdraw(self, device: ChildName, **changes: Any) -> Removal:
        """A consent ends: the device is asked to delete."""
        prepared = await self.orders.prepare(self.order(device, **changes), self.now)
        await self.database.write(lambda tx: self.orders.request_in(tx, prepared))
        return await self.removal(prepared.removal)

    async def deliver(self, removal: Removal, *, device: ChildName | None = None) -> None:
        await self.observer.delivered([Delivery(device or removal.device, (removal.name.id,))], self.now)

    async def acknowledge(self, removal: Removal, *, error: str = "", device: ChildName | None = None) -> None:
        who, now = device or removal.device, self.now
        await self.database.write(lambda tx: self.observer.acknowledged_in(tx, who, removal.name.id, error, now))

    async def removal(self, name: ChildName) -> Removal:
        found = await self.database.read(lambda tx: store.find(tx, name))
        assert found is not None
        return found

    async def state(self, removal: Removal) -> RemovalState:
        return (await self.removal(removal.name)).state

    async def event_of(self, removal: Removal) -> bytes:
        found = await self.database.read(lambda tx: history.find_events(tx, [removal.name.id]))
        return found[removal.name.id].payload

    async def receipt(
        self,
        removal: Removal,
        *,
        device: ChildName | None = None,
        sign: Callable[[bytes], bytes] | None = None,
        evidence: Callable[[bytes], Evidence] | None = None,
        epochs: tuple[int, int] = (4, 5),
        jti: str | None = None,
    ) -> DeletionReceipt:
        """As the SDK of the device makes it."""
        return deletion_receipt(
            await self.event_of(removal),
            device=str(device or removal.device),
            jti=jti or self.base.service.revocations.events.new_id(self.now),
            epoch_before=epochs[0],
            epoch_after=epochs[1],
            audit_head=bytes(range(32)),
            boot_id=BOOT_ID,
            device_time=self.now,
            sign=sign,
            evidence=evidence,
        )

    async def submit(
        self,
        removal: Removal,
        receipt: DeletionReceipt | removal_pb2.DeletionReceipt,
        *,
        device: ChildName | None = None,
        request_id: str | None = None,
    ) -> removal_pb2.DeletionReceiptResponse:
        message = receipt if isinstance(receipt, removal_pb2.DeletionReceipt) else receipt_argument(receipt)
        request = removal_pb2.SubmitDeletionReceiptRequest(
            removal=str(removal.name), receipt=message, request_id=request_id or str(uuid.uuid4())
        )
        return await self.parts.servicer.SubmitDeletionReceipt(request, self.device_call(device or removal.device))

    def device_call(self, device: ChildName) -> Call:
        name = f"d-{device.id}"
        who = Caller(f"spiffe://hallmark.test/tenants/{device.tenant}/device/{name}", device.tenant, Role.DEVICE, name)
        channel = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768")
        return Call(f"call-{uuid.uuid4()}", "SubmitDeletionReceipt", who, channel, self.now)

    def call(self, method: str, **who: Any) -> Call:
        return self.base.service.call(method, **who)

    async def feed(self, device: ChildName) -> list[Event]:
        """What the device's feed holds now, oldest first."""
        found = await self.database.read(
            lambda tx: history.events_after(tx, device.tenant, device_feed(device), 0, limit=100)
        )
        return [each.event for each in found]

    async def logged(self, event_type: str) -> list[dict[str, Any]]:
        """Entries of that type, in the order of the queue and the log."""

        def find(tx: Connection) -> list[dict[str, Any]]:
            rows = [tx.execute(sa.text(f"SELECT data FROM {source}")).scalars() for source in _LOG]
            entries = [json.loads(bytes(data)) for found in rows for data in found]
            return [entry for entry in entries if entry["type"] == event_type]

        return await self.database.read(find)

    async def device_state(self, device: ChildName) -> str:
        table = metadata.tables["device"]
        query = sa.select(table.c.state).where(table.c.id == device.id)
        return await self.database.read(lambda tx: tx.execute(query).scalar_one())


_LOG = ("tlog_entry", "tlog_queue")


@contextlib.asynccontextmanager
async def removals_running(folder: Path) -> AsyncIterator[RemovalBench]:
    async with devices_running(folder) as base:
        leases, config = LeasesInHand(), Config()
        revocations = base.service.revocations
        orders = make_orders(config, revocations.events, leases)
        parts = make_removal(
            config, orders=orders, revocations=revocations, devices=base.devices, clock=base.service.clock
        )
        yield RemovalBench(base, leases, orders, parts, RemovalObserver(base.service.database), config)


def tpm_evidence_message(parts: dict[str, bytes]) -> devices_pb2.Evidence:
    return devices_pb2.Evidence(
        format=devices_pb2.EVIDENCE_FORMAT_TPM,
        parts=[devices_pb2.EvidencePart(name=name, data=data) for name, data in parts.items()],
    )
