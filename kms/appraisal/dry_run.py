"""What activating a policy would do: stored evidence of the tenant's devices is judged by it, nothing is written."""

from dataclasses import dataclass
from datetime import datetime

from attestation.policy import Policy
from kms.appraisal.model import DeviceChange, DeviceStanding, DryRun, PolicyName
from kms.appraisal.ports import StoredEvidence
from kms.appraisal.service import AppraisalService
from kms.devices.findings import Standing, describe, own_reasons
from kms.devices.model import Device, DeviceVerdict

_AT_ONCE = 20
"""Devices in memory at the same time."""


@dataclass(frozen=True, slots=True)
class DryRunService:
    appraisal: AppraisalService
    stored: StoredEvidence

    async def run(self, name: PolicyName, *, after: str, limit: int, now: datetime) -> DryRun:
        """Judges at most `limit` devices, those after the id `after`. Raises not-found, FailedPrecondition,
        ResourceExhausted.
        """
        version = await self.appraisal.get(name)
        assert version.name.number is not None
        tried = await self.appraisal.source.load(name.tenant, version.name.number)
        in_force = await self.appraisal.source.active(name.tenant)
        examined, changes, last = 0, list[DeviceChange](), after
        while examined < limit:
            wanted = min(_AT_ONCE, limit - examined)
            page = await self.stored.devices(name.tenant, after=last, limit=wanted)
            for device in page:
                changes += await self._change(device, tried, in_force, now)
            examined += len(page)
            if len(page) < wanted:
                return DryRun(examined, tuple(changes), "")
            last = page[-1].name.id
        return DryRun(examined, tuple(changes), last)

    async def _change(self, device: Device, tried: Policy, in_force: Policy, now: datetime) -> list[DeviceChange]:
        """Empty when the device stays as it is."""
        before = _standing(device.latest_verdict)
        after = await self._judge(device, tried, now)
        if after == before:
            return []
        by_policy = after != await self._judge(device, in_force, now)
        return [DeviceChange(device=device.name, before=before, after=after, by_policy=by_policy)]

    async def _judge(self, device: Device, policy: Policy, now: datetime) -> DeviceStanding:
        verdict = (await self.stored.judge(device, now=now, policy=policy)).verdict
        known = Standing(target=device.name, known=device, device_class=device.device_class)
        reasons = own_reasons(verdict, None, known)
        return _standing(describe(verdict, device.latest_verdict.name, reasons=reasons, device=device.name))


def _standing(verdict: DeviceVerdict) -> DeviceStanding:
    return DeviceStanding(verdict.authentic, verdict.appraised, verdict.reasons)
