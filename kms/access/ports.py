"""What access rules need of the rest of the service; the composition root puts it together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Connection


class ActivationGate(Protocol):
    """Approvals of an activation (act POLICY_CHANGE)."""

    def consume(self, tx: Connection, proposal: str, subject: str, parameters_sha256: bytes, now: datetime) -> None:
        """Inside the transaction of the activation: it and the use of its approvals commit together, once.

        Raises FailedPrecondition (APPROVAL_REQUIRED and its relatives), InvalidArgument, NotFound.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """A kind of call that came in lately. `resource`: a name without its version, empty for the tenant. `address`: an
    IP address, or the network that is kept of it (192.0.2.0/24), of which the first address stands for all.
    """

    principal: str
    action: str
    resource: str
    address: str
    tls_group: str
    count: int
    last_time: datetime


class SeenCalls(Protocol):
    """What the audit of calls remembers of them."""

    async def page(self, tenant: str, page_size: int, token: str) -> tuple[Sequence[SeenCall], str]:
        """At most `page_size` of the tenant's, after `token` (empty: from the first); the next token, empty at the end.

        Raises InvalidArgument/PAGE_TOKEN_INVALID.
        """


class NothingSeen:
    """A service that remembers no calls."""

    async def page(self, tenant: str, page_size: int, token: str) -> tuple[Sequence[SeenCall], str]:  # noqa: ARG002
        return (), ""
