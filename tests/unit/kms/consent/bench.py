"""Consents on the bench of the revocations: the whole service below gRPC, devices as a test says they are."""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from google.protobuf.duration_pb2 import Duration
from sqlalchemy.engine import Connection

from hallmark.v1 import consent_pb2, revocation_pb2
from kms.config import ConsentConfig
from kms.consent.acquiring import LeaseService
from kms.consent.ending import Endings
from kms.consent.expiring import Expiry
from kms.consent.giving import Giving
from kms.consent.issuing import Conditions, Issuer
from kms.consent.pseudonyms import open_pseudonyms
from kms.consent.removal_port import Prepared, RemovalOrder
from kms.consent.renewing import Renewer
from kms.consent.revocable import RevocableConsents
from kms.consent.rpc import ConsentServicer
from kms.consent.service import ConsentService
from kms.consent.withdrawing import WithdrawalService
from kms.core.database import metadata
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.identity import Role
from kms.core.names import ChildName, DigestName
from kms.devices.model import certificate_name
from kms.events.appending import Events
from kms.events.history import state_after
from kms.events.model import Draft, Placed, Priority, Status, device_feed
from kms.events.releasing import Releaser
from kms.log.model import LogEntry
from unit.kms.revocation.bench import TENANT, Bench, running

CONTROLLER = "https://bank.example"
DELETION_REQUESTED = "tag:hallmark.local,2026:secevent/odai/event-type/deletion-requested"


def artifact(number: int = 1, *, tenant: str = TENANT) -> DigestName:
    return DigestName(tenant, "artifacts", hashlib.sha256(str(number).encode()).hexdigest())


def device(number: int = 1, *, tenant: str = TENANT) -> ChildName:
    return ChildName(tenant, "devices", str(uuid.UUID(int=number)))


def span(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


@dataclass
class DevicesInHand:
    """A kms.consent.ports.Holders, a Blocked and an Artifacts at once, as the test sets them."""

    attested: set[ChildName] = field(default_factory=set)
    appraised: set[ChildName] = field(default_factory=set)
    revoked: set[ChildName] = field(default_factory=set)
    overdue: set[ChildName] = field(default_factory=set)
    kept_back: set[DigestName] = field(default_factory=set)

    def enrol(self, *devices: ChildName) -> None:
        self.attested.update(devices)
        self.appraised.update(devices)

    def trusted(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        return (devices & self.appraised) - self.revoked

    def check_known(self, tx: Connection, name: ChildName) -> None:
        if name not in self.attested:
            raise not_found(str(name))
        if name in self.revoked:
            raise FailedPrecondition(Reason.DEVICE_REVOKED, f"{name} was revoked")

    def is_blocked(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        return devices & self.overdue

    def withheld(self, tx: Connection, artifacts: frozenset[DigestName]) -> frozenset[DigestName]:
        return artifacts & self.kept_back

    def hold(self, tx: Connection, artifacts: frozenset[DigestName]) -> None:
        """Nobody changes them while a test's transaction runs."""

    def hold_all(self, tx: Connection, tenant: str) -> None:
        """As `hold`."""


@dataclass
class Orders:
    """A kms.consent.removal_port.RemovalRequests that signs as the real one does, and puts the event into the feed."""

    events: Events
    made: list[Prepared] = field(default_factory=list)
    prepared: int = 0

    async def prepare(self, order: RemovalOrder, now: datetime) -> Prepared:
        self.prepared += 1
        name = ChildName(order.device.tenant, "removals", self.events.new_id(now))
        draft = Draft(
            id=self.events.new_id(now),
            tenant=order.device.tenant,
            uri=DELETION_REQUESTED,
            subject=str(name),
            revision=1,
            status=Status.INVALID,
            event_time=now,
            effective_time=order.effective_time,
            initiating_entity=order.initiating_entity,
            priority=Priority.URGENT,
        )
        return Prepared(removal=name, order=order, nonce=bytes(32), event=await self.events.sign(draft, now))

    def request_in(self, tx: Connection, prepared: Prepared) -> None:
        draft = prepared.event.draft
        entry = LogEntry(draft.id, "com.example.removal.asked", draft.tenant, draft.subject, draft.event_time, {})
        promise = self.events.log.record(tx, entry)
        self.events.append(tx, prepared.event, promise, [device_feed(prepared.order.device)])
        self.made.append(prepared)


@dataclass(frozen=True)
class ConsentBench:
    service: Bench
    events: Events
    devices: DevicesInHand
    removals: Orders
    servicer: ConsentServicer
    expiry: Expiry
    renewer: Renewer
    releaser: Releaser

    async def grant(
        self,
        *,
        subject: str = "alice@example.com",
        artifacts: Sequence[int] = (1,),
        artifact_messages: Sequence[dict[str, Any]] = (),
        devices: Sequence[ChildName] = (),
        request_id: str | None = None,
        tenant: str = TENANT,
        **fields: Any,
    ) -> consent_pb2.ConsentResponse:
        request = consent_pb2.GrantConsentRequest(
            **{
                "parent": f"tenants/{tenant}",
                "subject": subject,
                "controller": CONTROLLER,
                "purposes": ["dpv:FraudPreventionAndDetection"],
                "artifacts": artifact_messages
                or [{"artifact": str(artifact(each, tenant=tenant))} for each in artifacts],
                "devices": [str(each) for each in devices],
                "request_id": request_id or str(uuid.uuid4()),
                **fields,
            }
        )
        return await self.servicer.GrantConsent(request, self.service.call("GrantConsent", tenant=tenant))

    async def renew(self, name: str, *, request_id: str | None = None, **fields: Any) -> consent_pb2.ConsentResponse:
        request = consent_pb2.RenewConsentRequest(name=name, request_id=request_id or str(uuid.uuid4()), **fields)
        return await self.servicer.RenewConsent(request, self.service.call("RenewConsent"))

    async def withdraw(
        self, name: str, *, request_id: str | None = None, **fields: Any
    ) -> consent_pb2.WithdrawConsentResponse:
        request = consent_pb2.WithdrawConsentRequest(name=name, request_id=request_id or str(uuid.uuid4()), **fields)
        return await self.servicer.WithdrawConsent(request, self.service.call("WithdrawConsent"))

    async def get(self, name: str) -> consent_pb2.Consent:
        return await self.servicer.GetConsent(consent_pb2.GetConsentRequest(name=name), self.service.call("GetConsent"))

    async def consents(self, **fields: Any) -> consent_pb2.ListConsentsResponse:
        request = consent_pb2.ListConsentsRequest(**{"parent": f"tenants/{TENANT}", **fields})
        return await self.servicer.ListConsents(request, self.service.call("ListConsents"))

    async def receipt(self, name: str) -> consent_pb2.ConsentReceipt:
        request = consent_pb2.GetConsentReceiptRequest(name=name)
        return await self.servicer.GetConsentReceipt(request, self.service.call("GetConsentReceipt"))

    async def acquire(
        self,
        consent: str,
        holder: ChildName,
        number: int = 1,
        *,
        request_id: str | None = None,
        itself: bool = False,
    ) -> consent_pb2.Lease:
        request = consent_pb2.AcquireLeaseRequest(
            consent=consent,
            artifact=str(artifact(number)),
            device="" if itself else str(holder),
            request_id=request_id or str(uuid.uuid4()),
        )
        who = {"role": Role.DEVICE, "name": certificate_name(holder)} if itself else {}
        return await self.servicer.AcquireLease(request, self.service.call("AcquireLease", **who))

    async def leases(self, **fields: Any) -> list[consent_pb2.Lease]:
        request = consent_pb2.ListLeasesRequest(**{"parent": f"tenants/{TENANT}", **fields})
        return list((await self.servicer.ListLeases(request, self.service.call("ListLeases"))).leases)

    async def revoke(self, name: str) -> revocation_pb2.RevokeResponse:
        return await self.service.revoke(name, revocation_pb2.REVOCATION_REASON_POLICY_VIOLATION)

    async def publish(self) -> None:
        """The log takes in what is waiting, and what was held goes into its feeds."""
        while await self.rows("event_held"):
            releasing = asyncio.create_task(self.releaser.release_due())
            while not releasing.done():
                await self.service.log.step()
                await asyncio.sleep(0)
            await releasing

    async def feed(self, holder: ChildName) -> Sequence[Placed]:
        """What the device's feed says now."""
        feed = device_feed(holder)
        return await self.service.database.read(lambda tx: state_after(tx, holder.tenant, feed, 0, limit=10_000))

    async def entries(self) -> list[str]:
        """Everything the log has been given, as text."""

        def read(tx: Connection) -> list[str]:
            found = [tx.execute(sa.text(f"SELECT data FROM {each}")).scalars() for each in ("tlog_entry", "tlog_queue")]
            return [bytes(data).decode() for rows in found for data in rows]

        return await self.service.database.read(read)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        query = sa.select(metadata.tables[table])
        return await self.service.database.read(lambda tx: [dict(row._mapping) for row in tx.execute(query)])


@contextlib.asynccontextmanager
async def consents_running(folder: Path, *, batch_max: int = 1000) -> AsyncIterator[ConsentBench]:
    async with running(folder) as service:
        yield await consents_on(service, batch_max=batch_max)


async def consents_on(service: Bench, *, batch_max: int = 1000) -> ConsentBench:
    settings, devices = ConsentConfig(), DevicesInHand()
    events = service.revocations.events
    removals = Orders(events)
    giving = Giving(
        issuer=Issuer(
            events=events,
            status_uri=lambda tenant, place: f"https://status.example/status/{tenant}/lists/{place.list}",
        ),
        conditions=Conditions(holders=devices, artifacts=devices, blocked=devices),
        renew_fraction=settings.renew_fraction,
    )
    endings = Endings(events=events, removals=removals)
    pseudonyms = await open_pseudonyms(service.database, service.randomness)
    service.revocations.subjects["consents"] = RevocableConsents(service.clock)
    servicer = ConsentServicer(
        consents=ConsentService(events=events, pseudonyms=pseudonyms, giving=giving),
        withdrawals=WithdrawalService(endings=endings),
        leases=LeaseService(giving=giving),
        removal_default=timedelta(seconds=settings.removal_seconds),
    )
    return ConsentBench(
        service=service,
        events=events,
        devices=devices,
        removals=removals,
        servicer=servicer,
        expiry=Expiry(endings=endings),
        renewer=Renewer(giving=giving, batch_max=batch_max),
        releaser=Releaser(events=events, clock=service.clock, satisfies=lambda promise: True),
    )
