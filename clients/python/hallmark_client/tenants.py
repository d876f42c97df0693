"""client.tenants: who shares a server, and what each may use of it."""

from collections.abc import Iterator
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from hallmark.v1 import tenants_pb2
from hallmark_client import tenants_rpc as rpc
from hallmark_client.calls import Calls
from hallmark_client.model.tenants import ChannelRules, Quotas, Tenant, TenantChange
from hallmark_client.wire.tenants import quotas_argument, rules_argument, tenant_change_of, tenant_of


class Unchanged:
    """The type of `UNCHANGED`."""


UNCHANGED: Final = Unchanged()
"""Leave it as it is: None has a meaning of its own, the server's defaults."""


class Tenants:
    """Reached as `client.tenants`. A tenant is named by its id, or tenants/{id}.

    Operators (admins of the operator tenant) make, change and suspend tenants. Others see their own; its admins may
    give it a display name, and stricter channel rules.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        tenant_id: str,
        *,
        display_name: str = "",
        quotas: Quotas | None = None,
        channel_rules: ChannelRules | None = None,
        request_id: str | None = None,
    ) -> TenantChange:
        """Quotas and rules that are left out are the server's defaults. Raises AlreadyExists (TENANT_EXISTS),
        PermissionDenied.
        """
        request = tenants_pb2.CreateTenantRequest(
            tenant_id=tenant_id,
            display_name=display_name,
            quotas=quotas_argument(quotas),
            channel_rules=rules_argument(channel_rules),
            request_id=self._calls.request_id(request_id),
        )
        return self._calls(rpc.CREATE_TENANT, request, tenant_change_of)

    def get(self, tenant: str | None = None) -> Tenant:
        """None: this client's own. Raises NotFound."""
        return self._calls(rpc.GET_TENANT, tenants_pb2.GetTenantRequest(name=self._name(tenant)), tenant_of)

    def list(self, *, page_size: int = 0) -> Iterator[Tenant]:
        """Oldest first, fetched page by page; who is no operator gets their own."""
        token = ""
        while True:
            page, token = self._calls(
                rpc.LIST_TENANTS,
                tenants_pb2.ListTenantsRequest(page_size=page_size, page_token=token),
                lambda answer: (tuple(map(tenant_of, answer.tenants)), answer.next_page_token),
            )
            yield from page
            if not token:
                return

    def update(
        self,
        tenant: str | None = None,
        *,
        display_name: str | Unchanged = UNCHANGED,
        quotas: Quotas | None | Unchanged = UNCHANGED,
        channel_rules: ChannelRules | None | Unchanged = UNCHANGED,
        etag: str | None = None,
        request_id: str | None = None,
    ) -> TenantChange:
        """Changes what is given; None goes back to the server's defaults. `etag`: refuse when it changed since.

        Raises Aborted (ETAG_MISMATCH), NotFound, PermissionDenied, InvalidArgument.
        """
        changed = tenants_pb2.Tenant(name=self._name(tenant), etag=etag or "")
        paths = []
        if not isinstance(display_name, Unchanged):
            paths.append("display_name")
            changed.display_name = display_name
        if not isinstance(quotas, Unchanged):
            paths.append("quotas")
            if (wire_quotas := quotas_argument(quotas)) is not None:
                changed.quotas.CopyFrom(wire_quotas)
        if not isinstance(channel_rules, Unchanged):
            paths.append("channel_rules")
            if (wire_rules := rules_argument(channel_rules)) is not None:
                changed.channel_rules.CopyFrom(wire_rules)
        request = tenants_pb2.UpdateTenantRequest(
            tenant=changed, update_mask=FieldMask(paths=paths), request_id=self._calls.request_id(request_id)
        )
        return self._calls(rpc.UPDATE_TENANT, request, tenant_change_of)

    def suspend(
        self, tenant: str, *, reason: str = "", etag: str | None = None, request_id: str | None = None
    ) -> TenantChange:
        """Within a second every replica refuses whoever belongs to it. Raises FailedPrecondition
        (STATE_TRANSITION_INVALID), PermissionDenied.
        """
        return self._set_state(tenant, tenants_pb2.TENANT_STATE_SUSPENDED, reason, etag, request_id)

    def resume(self, tenant: str, *, etag: str | None = None, request_id: str | None = None) -> TenantChange:
        """Ends a suspension. Raises FailedPrecondition, PermissionDenied."""
        return self._set_state(tenant, tenants_pb2.TENANT_STATE_ACTIVE, "", etag, request_id)

    def _set_state(
        self, tenant: str, state: tenants_pb2.TenantState, reason: str, etag: str | None, request_id: str | None
    ) -> TenantChange:
        request = tenants_pb2.ChangeTenantStateRequest(
            name=self._name(tenant),
            state=state,
            reason=reason,
            etag=etag or "",
            request_id=self._calls.request_id(request_id),
        )
        return self._calls(rpc.CHANGE_TENANT_STATE, request, tenant_change_of)

    def _name(self, tenant: str | None) -> str:
        if tenant is None:
            return self._calls.names.parent
        return tenant if tenant.startswith("tenants/") else f"tenants/{tenant}"
