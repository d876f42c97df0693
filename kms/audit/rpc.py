"""AuditService on the wire."""

from dataclasses import dataclass
from typing import Final

from hallmark.v1 import audit_pb2, audit_pb2_grpc
from kms.audit import wire
from kms.audit.reading import AuditReader
from kms.core.call import Call
from kms.core.errors import not_found
from kms.core.identity import Role
from kms.core.names import TenantName
from kms.keys.paging import page_size

ALL_TENANTS: Final = "tenants/-"


@dataclass(frozen=True, slots=True)
class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """`operators`: the tenant whose admins are the operators. They may ask for all tenants."""

    reader: AuditReader
    operators: str

    async def GetCoverageReport(
        self, request: audit_pb2.GetCoverageReportRequest, call: Call
    ) -> audit_pb2.CoverageReport:
        report = await self.reader.coverage(
            self._tenant(request.parent, call),
            since=wire.time_from_wire(request, "since"),
            until=wire.time_from_wire(request, "until"),
            now=call.now,
        )
        return wire.coverage_to_wire(report)

    async def ListSessions(self, request: audit_pb2.ListSessionsRequest, call: Call) -> audit_pb2.ListSessionsResponse:
        size = page_size(request.page_size)
        found = await self.reader.sessions(
            self._tenant(request.parent, call),
            classical_only=request.classical_only,
            after=wire.read_page_token(request.page_token),
            limit=size + 1,
        )
        return audit_pb2.ListSessionsResponse(
            sessions=[wire.session_to_wire(session) for session in found[:size]],
            next_page_token=wire.page_token(found[size - 1]) if len(found) > size else "",
        )

    def _tenant(self, parent: str, call: Call) -> str | None:
        """None: all of them. Raises the uniform not-found for what the caller may not see."""
        if parent != ALL_TENANTS:
            tenant = TenantName.parse(parent).tenant
            call.caller.may_see(tenant, parent)
            return tenant
        if call.caller.tenant != self.operators or call.caller.role is not Role.ADMIN:
            raise not_found(parent)
        return None
