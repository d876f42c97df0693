"""TenantService on the wire."""

from dataclasses import dataclass
from datetime import datetime

from hallmark.v1 import tenants_pb2, tenants_pb2_grpc
from kms.core.call import Call
from kms.core.database import from_microseconds, to_microseconds
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import TenantName, check_id
from kms.keys.paging import page_size, page_token, read_page_token
from kms.log.wire import promise_to_wire
from kms.tenants import wire
from kms.tenants.bounds import DISPLAY_NAME_MAX, REASON_MAX, check_text
from kms.tenants.model import Tenant
from kms.tenants.service import Asker, Outcome, TenantService

_DIGITS_MAX = 17
"""Of microseconds since 1970: into the year 5138."""
_Mutation = tenants_pb2.CreateTenantRequest | tenants_pb2.UpdateTenantRequest | tenants_pb2.ChangeTenantStateRequest


def _asker(request: _Mutation, call: Call) -> Asker:
    return Asker(caller=call.caller, request=RequestKey.of_message(call.caller, call.method, request), now=call.now)


def _response(outcome: Outcome) -> tenants_pb2.TenantResponse:
    tenant, promise, replayed = outcome
    return tenants_pb2.TenantResponse(
        tenant=wire.tenant_to_wire(tenant), log=promise_to_wire(promise), replayed=replayed
    )


@dataclass(frozen=True, slots=True)
class TenantServicer(tenants_pb2_grpc.TenantServiceServicer):
    tenants: TenantService

    async def CreateTenant(self, request: tenants_pb2.CreateTenantRequest, call: Call) -> tenants_pb2.TenantResponse:
        outcome = await self.tenants.create(
            TenantName(check_id(request.tenant_id, "tenant_id")),
            display_name=check_text(request.display_name, DISPLAY_NAME_MAX, "display_name"),
            quotas=wire.quotas_from_wire(request),
            channels=wire.rules_from_wire(request),
            asker=_asker(request, call),
        )
        return _response(outcome)

    async def GetTenant(self, request: tenants_pb2.GetTenantRequest, call: Call) -> tenants_pb2.Tenant:
        return wire.tenant_to_wire(await self.tenants.get(TenantName.parse(request.name, "name"), call.caller))

    async def ListTenants(self, request: tenants_pb2.ListTenantsRequest, call: Call) -> tenants_pb2.ListTenantsResponse:
        size = page_size(request.page_size)
        found = await self.tenants.list(call.caller, after=_read_token(request.page_token), limit=size + 1)
        return tenants_pb2.ListTenantsResponse(
            tenants=map(wire.tenant_to_wire, found[:size]),
            next_page_token=_token(found[size - 1]) if len(found) > size else "",
        )

    async def UpdateTenant(self, request: tenants_pb2.UpdateTenantRequest, call: Call) -> tenants_pb2.TenantResponse:
        outcome = await self.tenants.update(
            TenantName.parse(request.tenant.name, "tenant.name"),
            wire.update_from_wire(request.tenant, request.update_mask),
            etag=request.tenant.etag,
            asker=_asker(request, call),
        )
        return _response(outcome)

    async def ChangeTenantState(
        self, request: tenants_pb2.ChangeTenantStateRequest, call: Call
    ) -> tenants_pb2.TenantResponse:
        outcome = await self.tenants.set_state(
            TenantName.parse(request.name, "name"),
            wire.state_from_wire(request.state),
            reason=check_text(request.reason, REASON_MAX, "reason"),
            etag=request.etag,
            asker=_asker(request, call),
        )
        return _response(outcome)


def _token(last: Tenant) -> str:
    return page_token(f"{to_microseconds(last.create_time)}/{last.name.tenant}")


def _read_token(token: str) -> tuple[datetime, str] | None:
    """Where to go on. Raises InvalidArgument/PAGE_TOKEN_INVALID."""
    text = read_page_token(token)
    if not text:
        return None
    moment, _, tenant = text.partition("/")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= _DIGITS_MAX and tenant):
        raise InvalidArgument(
            Reason.PAGE_TOKEN_INVALID, "page_token is not one of ours; begin without it", field="page_token"
        )
    return from_microseconds(int(moment)), tenant
