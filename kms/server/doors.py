"""What the guard asks before a servicer is reached, and whom it tells afterwards: a port for each question."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import grpc.aio

from kms.core.call import Call, Channel
from kms.core.identity import Caller
from kms.server.audit import Entry
from kms.server.identity import AuthContext
from kms.server.limits import Limits
from kms.server.policy import Row
from kms.tenants.model import Terms

ReadMetadata: TypeAlias = Callable[[], grpc.aio.Metadata | tuple[tuple[str, str | bytes], ...] | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call is about: `action` such as SigningService.Sign, and the names of the resources its request gives.

    No name is also an answer: the caller's tenant is meant then.
    """

    action: str
    resources: tuple[str, ...] = ()


class Identifier(Protocol):
    """Who calls, and whether they still are who they were."""

    async def identify(self, auth: AuthContext, metadata: ReadMetadata, channel: Channel, now: datetime) -> Caller:
        """Raises Unauthenticated. `auth` is what TLS verified; `metadata` is what the client says, believed only with
        a token that verifies.
        """

    def check_still(self, caller: Caller, now: datetime) -> None:
        """Of a caller whose stream is open: certificates and tokens end. Raises Unauthenticated."""


class Edition(Protocol):
    def edition(self, tenant: str) -> object:
        """Another one (by ==) whenever answers may have changed: long streams ask again then. From memory."""


class TenantDoor(Edition, Protocol):
    """Quick: from memory for a second at most."""

    async def terms(self, tenant: str) -> Terms:
        """Raises PermissionDenied for a tenant that is suspended or not known."""


class AccessDoor(Edition, Protocol):
    """Whether this caller may do this to that. The roles of a row were looked at before."""

    async def check(self, call: Call, row: Row, asked: Asked) -> tuple[str, ...]:
        """Ids of the statements that decided; none where roles did. Raises PermissionDenied, or the uniform NotFound
        where the caller may not even know of it.
        """


class ChannelDoor(Edition, Protocol):
    """Whether this connection is good enough for that."""

    async def check(self, call: Call, row: Row, asked: Asked, terms: Terms) -> None:
        """Raises FailedPrecondition/PQ_TLS_REQUIRED, ResourceExhausted for a spent budget."""


class Standing(Protocol):
    """Whether an identity that was given out may still be used. Asked for every call of a device: quick, from memory
    for a second at most.
    """

    async def check(self, caller: Caller) -> None:
        """Raises PermissionDenied when it may not."""


class Observer(Protocol):
    """Is told of every call, in the call's own task. Quick, and never raises."""

    def admitted(self, entry: Entry, auth: AuthContext) -> None:
        """The caller is known and `entry.call` is set; nothing was decided yet."""

    def finished(self, entry: Entry, outcome: str, reason: str) -> None:
        """`outcome`: name of the gRPC code. `reason`: of the ErrorInfo, empty when all is well. Also told of calls that
        were never admitted: `entry.call` is None then.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """All of them. `asked` reads a request of that method."""

    identifier: Identifier
    tenants: TenantDoor
    limits: Limits
    access: AccessDoor
    channels: ChannelDoor
    standing: Standing
    observers: tuple[Observer, ...]
    asked: Callable[[str, Any], Asked]
