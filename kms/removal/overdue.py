"""What follows when a device owes a receipt past its deadline: no leases, not compliant, and (a setting) revoked.

The transaction that finds a removal overdue leaves a note about the device (overdue_store.note); everything else is
done from the note, so that a kill between two steps loses nothing. Several replicas may work; each step succeeds once.
When its last overdue receipt has come, the device is compliant again; a revocation stays.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.errors import NotFound
from kms.core.idempotency import RequestKey
from kms.core.names import ChildName
from kms.devices import store as device_store
from kms.events.appending import Events, Overtaken
from kms.events.model import InitiatingEntity, SignedEvent, Status, device_feed
from kms.log.model import LogEntry
from kms.removal import overdue_store, store
from kms.removal.overdue_store import OverdueDevice
from kms.removal.payload import Compliance, compliance_draft
from kms.removal.ports import Leases
from kms.revocation.model import RevocationReason
from kms.revocation.service import RevocationService
from kms.status import lists

_CALLER: Final = "hallmark/removal"
"""In the place of a caller's name: no certificate has it."""


class OverdueDevices:
    """Who gets no leases (kms.consent.removal_port.Blocked)."""

    def is_blocked(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        """As kms.consent.removal_port says."""
        by_tenant: dict[str, dict[str, ChildName]] = {}
        for device in devices:
            by_tenant.setdefault(device.tenant, {})[device.id] = device
        return frozenset(
            mine[found] for tenant, mine in by_tenant.items() for found in store.overdue_among(tx, tenant, mine)
        )


@dataclass(frozen=True, slots=True)
class _Situation:
    """`feed`: what the device's feed says of it, None for nothing. `appraised`: by its newest verdict."""

    overdue: bool
    feed: Status | None
    revision: int
    appraised: bool


@dataclass(slots=True, kw_only=True)
class Enforcement:
    """`revoke`: whether an overdue device is revoked."""

    revocations: RevocationService
    leases: Leases
    revoke: bool

    @property
    def events(self) -> Events:
        return self.revocations.events

    async def enforce_due(self, now: datetime) -> int:
        """Goes on with what is noted; gives how many devices it looked at: call it again until that is none.

        Raises what HSM and database raise, after every device had its turn.
        """
        noted = await self.events.database.read(overdue_store.pending)
        outcomes = await asyncio.gather(*(self._enforce(each, now) for each in noted), return_exceptions=True)
        for failure in outcomes:
            if failure is not None:
                raise failure
        return len(noted)

    async def _enforce(self, seen: OverdueDevice, now: datetime) -> None:
        situation = await self.events.database.read(partial(self._look, seen.device))
        if situation.overdue is not seen.told and situation.feed is not Status.INVALID:
            if not await self._tell(seen, situation, now):
                return  # it is still noted: whoever looks next decides anew
            seen = replace(seen, told=situation.overdue, revision=seen.revision + 1)
        if situation.overdue and self.revoke:
            await self._revoke(seen.device, now)
        forget = not situation.overdue
        await self.events.database.write(lambda tx: overdue_store.set_done(tx, seen, forget=forget))

    def _look(self, device: ChildName, tx: Connection) -> _Situation:
        known = self.events.known(tx, device.tenant, device_feed(device), str(device))
        row = device_store.find_device(tx, device)
        return _Situation(
            overdue=bool(store.overdue_among(tx, device.tenant, [device.id])),
            feed=None if known is None else known.status,
            revision=1 if known is None else known.revision + 1,
            appraised=row is not None and row.latest_verdict.appraised,
        )

    async def _tell(self, seen: OverdueDevice, situation: _Situation, now: datetime) -> bool:
        """False when something happened meanwhile. What is regained waits for the log before the device hears of it;
        a device that is not appraised either stays suspended.
        """
        change = Compliance(
            device=seen.device,
            compliant=not situation.overdue,
            status=Status.SUSPENDED if situation.overdue or not situation.appraised else Status.VALID,
            revision=situation.revision,
        )
        signed = await self.events.sign(compliance_draft(change, event_id=self.events.new_id(now), now=now), now)
        try:
            told = await self.events.database.write(partial(self._commit, seen, change, signed, now))
        except Overtaken:
            return False
        self.events.notify(seen.device.tenant)
        return told

    def _commit(
        self, seen: OverdueDevice, change: Compliance, signed: SignedEvent, now: datetime, tx: Connection
    ) -> bool:
        device = seen.device
        now_so = self._look(device, tx)
        if now_so.overdue is change.compliant or (change.status is Status.VALID and not now_so.appraised):
            return False
        if not overdue_store.set_told(tx, seen, told=not change.compliant):
            return False
        lists.set_value(tx, device.tenant, str(device), change.status)
        if change.compliant:
            self.leases.resume_in(tx, device, now)
        else:
            self.leases.suspend_in(tx, device)
        details = _details(change, signed)
        entry = LogEntry(signed.draft.id, "device.compliance-changed", device.tenant, str(device), now, details)
        promise = self.events.log.record(tx, entry)
        if change.status is Status.VALID:
            self.events.hold(tx, signed, promise, [device_feed(device)])
        else:
            self.events.append(tx, signed, promise, [device_feed(device)])
        return True

    async def _revoke(self, device: ChildName, now: datetime) -> None:
        """Revoking twice is answered with the first revocation."""
        fingerprint = hashlib.sha256(f"overdue\0{device}".encode()).digest()
        try:
            await self.revocations.revoke(
                device,
                reason=RevocationReason.POLICY_VIOLATION,
                effective_time=None,
                initiating_entity=InitiatingEntity.POLICY,
                request=RequestKey(_CALLER, device.id, fingerprint),
                transaction_id=self.events.new_id(now),
                now=now,
                published=False,
            )
        except NotFound:
            return  # a device that is not there needs no revocation


def _details(change: Compliance, signed: SignedEvent) -> Mapping[str, Json]:
    before, after = ("not-compliant", "compliant") if change.compliant else ("compliant", "not-compliant")
    return {
        "current_status": after,
        "previous_status": before,
        "initiating_entity": InitiatingEntity.POLICY.value,
        "payload_sha256": hashlib.sha256(signed.payload).hexdigest(),
        "signed_by": signed.signature.key_version,
    }
