"""The service of tenants over a real database and log, and the door beside it; the clock stands."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from hallmark.v1 import tenants_pb2
from kms.core.call import Call, Channel
from kms.core.database import Database
from kms.core.identity import Caller, Role
from kms.tenants.model import ChannelRules
from kms.tenants.rpc import TenantServicer
from kms.tenants.service import TenantService
from kms.tenants.terms import TenantTerms, TermsSettings
from support.keys_world import KeysWorld, keys_world
from support.randomness import SeededRandomness

OPERATORS = "default"
ACTIVE, SUSPENDED = tenants_pb2.TENANT_STATE_ACTIVE, tenants_pb2.TENANT_STATE_SUSPENDED


def caller(tenant: str = OPERATORS, role: Role = Role.ADMIN, name: str = "alice") -> Caller:
    return Caller(f"spiffe://hallmark.test/tenants/{tenant}/{role}/{name}", tenant, role, name)


@dataclass
class TenantBench:
    world: KeysWorld
    service: TenantService
    servicer: TenantServicer
    terms: TenantTerms
    changed: list[str] = field(default_factory=list)

    @property
    def clock(self) -> Any:
        return self.world.world.clock

    def call(self, who: Caller | None = None) -> Call:
        channel = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768")
        return Call(str(uuid.uuid4()), "method", who or caller(), channel, self.clock.now())

    async def create(
        self, tenant: str = "acme", *, by: Caller | None = None, request_id: str = "", **fields: Any
    ) -> tenants_pb2.TenantResponse:
        request = tenants_pb2.CreateTenantRequest(
            tenant_id=tenant, request_id=request_id or str(uuid.uuid4()), **fields
        )
        return await self.servicer.CreateTenant(request, self.call(by))

    async def get(self, tenant: str = "acme", *, by: Caller | None = None) -> tenants_pb2.Tenant:
        return await self.servicer.GetTenant(tenants_pb2.GetTenantRequest(name=f"tenants/{tenant}"), self.call(by))

    async def list(self, *, by: Caller | None = None, **fields: Any) -> tenants_pb2.ListTenantsResponse:
        return await self.servicer.ListTenants(tenants_pb2.ListTenantsRequest(**fields), self.call(by))

    async def update(
        self, *paths: str, tenant: str = "acme", by: Caller | None = None, request_id: str = "", **fields: Any
    ) -> tenants_pb2.TenantResponse:
        request = tenants_pb2.UpdateTenantRequest(
            tenant=tenants_pb2.Tenant(name=f"tenants/{tenant}", **fields),
            update_mask=FieldMask(paths=paths),
            request_id=request_id or str(uuid.uuid4()),
        )
        return await self.servicer.UpdateTenant(request, self.call(by))

    async def set_state(
        self, state: Any, *, tenant: str = "acme", by: Caller | None = None, request_id: str = "", **fields: Any
    ) -> tenants_pb2.TenantResponse:
        request = tenants_pb2.ChangeTenantStateRequest(
            name=f"tenants/{tenant}", state=state, request_id=request_id or str(uuid.uuid4()), **fields
        )
        return await self.servicer.ChangeTenantState(request, self.call(by))


def tenant_service(
    world: KeysWorld, *, database: Database | None = None, seed: int = 7, changed: Any = None
) -> TenantService:
    return TenantService(
        database=database or world.world.database,
        log=world.keys.log,
        randomness=SeededRandomness(seed),
        operator_tenant=OPERATORS,
        default_channels=ChannelRules(),
        changed=changed or (lambda _tenant: None),
    )


@asynccontextmanager
async def tenants_running(folder: Path, settings: TermsSettings | None = None) -> AsyncIterator[TenantBench]:
    async with keys_world(folder) as world:
        terms = TenantTerms(world.world.database, world.world.clock, settings or TermsSettings())
        changed: list[str] = []

        def note(tenant: str) -> None:
            changed.append(tenant)
            terms.forget(tenant)

        service = tenant_service(world, changed=note)
        yield TenantBench(world, service, TenantServicer(service), terms, changed)
