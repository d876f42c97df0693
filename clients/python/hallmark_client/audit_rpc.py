"""The wire calls of auditors, as in hallmark_client.rpc."""

from typing import Any, Final

from hallmark.v1 import audit_pb2 as audit
from hallmark_client.rpc_type import Rpc

_AUDIT: Final = "/hallmark.v1.AuditService/"

GET_COVERAGE_REPORT: Final = Rpc(f"{_AUDIT}GetCoverageReport", audit.GetCoverageReportRequest, audit.CoverageReport)
LIST_SESSIONS: Final = Rpc(f"{_AUDIT}ListSessions", audit.ListSessionsRequest, audit.ListSessionsResponse)

AUDIT_RPCS: Final[tuple[Rpc[Any, Any], ...]] = (GET_COVERAGE_REPORT, LIST_SESSIONS)
