"""How much may be in progress: of a caller, of a tenant, of all together; and who gets the last of it.

Up to three quarters of all, whoever comes is let in. Above that, nobody may hold more than a share: tenants have equal
ones, and so have the callers of a tenant of theirs. So who is quick or has many identities fills what nobody else asks
for, and no more. Memory is bounded by what is in progress.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

CALLS_MAX: Final = 4096
"""Calls in progress, streams that the server sends apart. More are refused at once: each holds a message in memory."""
CALLS_PER_CALLER: Final = 256
_SHARE_LEAST: Final = 4
"""Calls a caller may have in progress however many callers there are."""


class Crowded(Enum):
    """Why there is no room."""

    CALLER = "the caller holds as much as one may"
    TENANT = "the tenant holds as much as its quotas say"
    SHARE = "the server is busy, and the caller or its tenant holds its share"
    SERVER = "all is taken"


@dataclass(slots=True)
class _Held:
    """Of one tenant: altogether, and by caller."""

    all: int = 0
    by_caller: dict[str, int] = field(default_factory=dict)


class Slots:
    """`kept_free`: of the total, what the shares leave for a tenant that comes next. `least_share`: of a caller."""

    def __init__(self, *, per_caller: int, total: int, kept_free: int = 0, least_share: int = 1) -> None:
        self._per_caller = per_caller
        self._total = total
        self._shared = total - kept_free
        self._least_share = least_share
        self._held = 0
        self._tenants: dict[str, _Held] = {}

    @property
    def held(self) -> int:
        """By all together."""
        return self._held

    @property
    def per_caller(self) -> int:
        return self._per_caller

    @property
    def is_full(self) -> bool:
        return self._held >= self._total

    @property
    def holders(self) -> Mapping[str, _Held]:
        """By tenant; who holds nothing is not there."""
        return MappingProxyType(self._tenants)

    def crowded(self, caller: str, tenant: str, tenant_most: int = 0) -> Crowded | None:
        """Why this caller gets none now; None when there is room. `tenant_most` 0: its quotas say nothing."""
        theirs = self._tenants.get(tenant)
        mine = 0 if theirs is None else theirs.by_caller.get(caller, 0)
        if mine >= self._per_caller:
            return Crowded.CALLER
        if theirs is not None and 0 < tenant_most <= theirs.all:
            return Crowded.TENANT
        if self._held >= self._total:
            return Crowded.SERVER
        if theirs is not None and self._held * 4 >= self._total * 3 and not self._is_within_share(theirs, mine):
            return Crowded.SHARE
        return None

    def take(self, caller: str, tenant: str) -> None:
        """At once after `crowded` said None; `give_back` when it ends."""
        theirs = self._tenants.get(tenant)
        if theirs is None:
            theirs = self._tenants[tenant] = _Held()
        self._held += 1
        theirs.all += 1
        theirs.by_caller[caller] = theirs.by_caller.get(caller, 0) + 1

    def give_back(self, caller: str, tenant: str) -> None:
        theirs = self._tenants[tenant]
        left = theirs.by_caller[caller] - 1
        if left:
            theirs.by_caller[caller] = left
        else:
            del theirs.by_caller[caller]
        theirs.all -= 1
        if not theirs.all:
            del self._tenants[tenant]
        self._held -= 1

    def _is_within_share(self, theirs: _Held, mine: int) -> bool:
        share = max(1, self._shared // len(self._tenants))
        callers = len(theirs.by_caller) + (mine == 0)
        return theirs.all < share and mine < max(self._least_share, share // callers)


class CallLimit(Slots):
    """Calls with one answer. An eighth is never filled by one tenant alone."""

    def __init__(self, *, per_caller: int = CALLS_PER_CALLER, total: int = CALLS_MAX) -> None:
        super().__init__(per_caller=per_caller, total=total, kept_free=total // 8, least_share=_SHARE_LEAST)


class StreamLimit(Slots):
    """Streams held open: each costs memory, and signed heartbeats the HSM. A caller's own bound is its share: a device
    that reconnects may hold one that nobody has noticed to be dead.
    """

    def __init__(self, *, per_caller: int, total: int) -> None:
        super().__init__(per_caller=per_caller, total=total, least_share=per_caller)
