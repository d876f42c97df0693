"""client.audit: who came over which channels, and how much of a deployment would stand against a quantum computer."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from hallmark.v1 import audit_pb2
from hallmark_client.audit_rpc import GET_COVERAGE_REPORT, LIST_SESSIONS
from hallmark_client.calls import Calls
from hallmark_client.model.audit import CoverageReport, Session
from hallmark_client.wire.audit import report_of, sessions_of
from hallmark_client.wire.scalars import timestamp_argument

_ALL_TENANTS: Final = "tenants/-"


class AuditReports:
    """Reached as `client.audit`. `all_tenants`: for operators."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def coverage(
        self, *, since: datetime | None = None, until: datetime | None = None, all_tenants: bool = False
    ) -> CoverageReport:
        """Of the 30 days before `until`, and until now, where nothing else is said. The server counts the last seconds
        a little later. Raises InvalidArgument, NotFound (all tenants, for who is no operator).
        """
        request = audit_pb2.GetCoverageReportRequest(parent=self._parent(all_tenants=all_tenants))
        if since is not None:
            request.since.CopyFrom(timestamp_argument(since, "since"))
        if until is not None:
            request.until.CopyFrom(timestamp_argument(until, "until"))
        return self._calls(GET_COVERAGE_REPORT, request, report_of)

    def sessions(
        self, *, classical_only: bool = False, all_tenants: bool = False, page_size: int = 0
    ) -> Iterator[Session]:
        """Newest first, fetched page by page; classical_only: those without a post-quantum group."""
        request = audit_pb2.ListSessionsRequest(
            parent=self._parent(all_tenants=all_tenants), classical_only=classical_only, page_size=page_size
        )
        while True:
            found, request.page_token = self._calls(LIST_SESSIONS, request, sessions_of)
            yield from found
            if not request.page_token:
                return

    def _parent(self, *, all_tenants: bool) -> str:
        return _ALL_TENANTS if all_tenants else self._calls.names.parent
