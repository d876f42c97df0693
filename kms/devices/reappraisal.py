"""Stored evidence judged again when something changed: a status list, a CRL, a TCB level, the tenant's policy.

kms.devices.rejudging judges. What says the same changes nothing. Another judgement is a verdict of its own: row, device
and log entry `device.reappraised` in one transaction. When the device attests meanwhile, its fresh verdict stands.

How long ago the device gave evidence (Device.attest_time) does not change.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from attestation.case import Case
from attestation.policy import Policy
from kms.core.database import Database
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.devices import store, verdict_store
from kms.devices.findings import OwnReason, Standing, describe, own_reasons
from kms.devices.model import Device, DeviceState, DeviceVerdict, SignedResult, log_details
from kms.devices.rejudging import Rejudging
from kms.devices.results import ResultSigner
from kms.devices.verdict_store import StoredVerdict
from kms.devices.verification import Judged, PolicySource
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Reappraised:
    """A judgement that changed. `lost`: the device was appraised before and is not any more."""

    device: ChildName
    before: DeviceVerdict
    after: DeviceVerdict
    promise: LogPromise

    @property
    def lost(self) -> bool:
        return self.before.appraised and not self.after.appraised


class _FresherVerdict(Exception):
    """The device attested while its stored evidence was judged."""


def _nothing_more(tx: Connection, change: Reappraised) -> None:
    """For a service that tells nobody."""


@dataclass(slots=True, kw_only=True)
class Reappraisal:
    """`in_transaction` runs in the transaction that stores a changed judgement, for what has to be told with it."""

    database: Database
    rejudging: Rejudging
    results: ResultSigner
    policies: PolicySource
    log: TransparencyLog
    randomness: Randomness
    in_transaction: Callable[[Connection, Reappraised], None] = field(default=_nothing_more)

    async def devices(self, tenant: str, *, after: str = "", limit: int = 100) -> list[Device]:
        """The tenant's attested devices in the order of their ids, a page: what there is to judge again."""
        return await self.database.read(
            lambda tx: store.list_devices(tx, tenant, after=after, limit=limit, state=DeviceState.ATTESTED)
        )

    async def judge(self, device: Device, *, now: datetime, policy: Policy | None = None) -> Judged:
        """Stores nothing. `policy`: another than the active one, for a dry run."""
        judged, _ = await self._judge(device, policy or await self.policies.active(device.name.tenant), now)
        return judged

    async def reappraise(self, name: ChildName, *, now: datetime) -> Reappraised | None:
        """None when nothing changed, or the device is revoked or gone. What a revoked verdict judged is not judged
        again: the device has to attest anew.
        """
        device = await self.database.read(lambda tx: store.find_device(tx, name))
        if device is None or device.state is not DeviceState.ATTESTED:
            return None
        if OwnReason.VERDICT_REVOKED in device.latest_verdict.own_reasons:
            return None
        judged, stored = await self._judge(device, await self.policies.active(name.tenant), now)
        standing = Standing(target=name, known=device, device_class=device.device_class)
        reasons = own_reasons(judged.verdict, None, standing)
        verdict_name = ChildName(name.tenant, "verdicts", new_id(now, self.randomness))
        after = describe(judged.verdict, verdict_name, reasons=reasons, device=name)
        if (after.appraised, after.reasons) == (stored.verdict.appraised, stored.verdict.reasons):
            return None
        result = await self.results.sign(judged, after, key_spki=device.key_spki, now=now)
        try:
            return await self.database.write(lambda tx: self._commit(tx, device, after, judged.case, result, now))
        except _FresherVerdict:
            return None

    async def _judge(self, device: Device, policy: Policy, now: datetime) -> tuple[Judged, StoredVerdict]:
        name = device.latest_verdict.name
        stored = await self.database.read(lambda tx: verdict_store.find_verdict(tx, name))
        assert stored is not None  # a foreign key says so
        return await self.rejudging.judge(stored, then=device.attest_time, now=now, policy=policy), stored

    def _commit(
        self, tx: Connection, device: Device, after: DeviceVerdict, case: Case, result: SignedResult, now: datetime
    ) -> Reappraised:
        """Raises _FresherVerdict, and then nothing is written."""
        verdict_store.insert_verdict(tx, after, case, result)
        if not store.set_verdict(tx, device.name, verdict=after, before=device.latest_verdict):
            raise _FresherVerdict
        details = {**log_details(after, result), "before": str(device.latest_verdict.name)}
        name = after.name
        entry = LogEntry(name.id, "device.reappraised", name.tenant, str(name), now, details)
        change = Reappraised(
            device=device.name, before=device.latest_verdict, after=after, promise=self.log.record(tx, entry)
        )
        self.in_transaction(tx, change)
        return change
