"""Appraisal policies on the bench of devices: the real services, and devices that were attested."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from hallmark.v1 import appraisal_pb2
from kms.app.appraisal import make_appraisal, tenant_policies
from kms.appraisal.model import SIGNING_KEY_ID
from kms.appraisal.rpc import AppraisalServicer
from kms.appraisal.service import AppraisalService
from kms.appraisal.source import TenantPolicies
from kms.approvals.model import ApprovalPolicy
from kms.approvals.service import ApprovalService
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.revocation.bench import TENANT

PARENT = f"tenants/{TENANT}"
MILD = b'name = "mild"\n[android]\nrequire_locked = false\n'
NEW_PATCHES = b'name = "new patches"\n[android]\nmin_os_patch_level = 209901\n'


@dataclass
class Notes:
    """A PolicyListener that remembers."""

    noted: list[tuple[str, datetime]] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)

    def note(self, tx: Connection, tenant: str, now: datetime) -> None:
        self.noted.append((tenant, now))

    def wake(self, tenant: str) -> None:
        self.woken.append(tenant)


@dataclass(frozen=True)
class AppraisalBench:
    devices: DeviceBench
    approvals: ApprovalService
    source: TenantPolicies
    servicer: AppraisalServicer
    notes: Notes

    @property
    def appraisal(self) -> AppraisalService:
        return self.servicer.appraisal

    async def set(self, document: bytes = MILD, *, request_id: str | None = None, **more: Any) -> Any:
        who = more.pop("who", {})
        request = appraisal_pb2.SetPolicyRequest(
            **{"parent": PARENT, "document": document, "request_id": request_id or str(uuid.uuid4()), **more}
        )
        return await self.servicer.SetPolicy(request, self.devices.service.call("SetPolicy", **who))

    async def activate(self, name: str, *, request_id: str | None = None, proposal: str = "", **who: Any) -> Any:
        request = appraisal_pb2.ActivatePolicyRequest(
            name=name, proposal=proposal, request_id=request_id or str(uuid.uuid4())
        )
        return await self.servicer.ActivatePolicy(request, self.devices.service.call("ActivatePolicy", **who))

    async def get(self, name: str = f"{PARENT}/policies/active", **who: Any) -> appraisal_pb2.Policy:
        request = appraisal_pb2.GetPolicyRequest(name=name)
        return await self.servicer.GetPolicy(request, self.devices.service.call("GetPolicy", **who))

    async def list(self, **fields: Any) -> appraisal_pb2.ListPoliciesResponse:
        request = appraisal_pb2.ListPoliciesRequest(**{"parent": PARENT, **fields})
        return await self.servicer.ListPolicies(request, self.devices.service.call("ListPolicies"))

    async def dry_run(self, name: str, **fields: Any) -> appraisal_pb2.DryRunPolicyResponse:
        request = appraisal_pb2.DryRunPolicyRequest(name=name, **fields)
        return await self.servicer.DryRunPolicy(request, self.devices.service.call("DryRunPolicy"))


@contextlib.asynccontextmanager
async def appraisal_running(folder: Path) -> AsyncIterator[AppraisalBench]:
    async with devices_running(folder) as devices:
        service, notes = devices.service, Notes()
        await service.keys.ensure_service_key(SIGNING_KEY_ID, service.clock.now())
        approvals = ApprovalService(
            database=service.database, log=service.log, randomness=service.randomness, policy=ApprovalPolicy()
        )
        source = tenant_policies(service.database, devices.policies.policy, service.clock)
        servicer = make_appraisal(source, service.signing, approvals, devices.reappraisal, listener=notes)
        yield AppraisalBench(devices, approvals, source, servicer, notes)
