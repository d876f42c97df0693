"""What holds for a tenant now: asked for every call, answered from memory, a second old at most.

A kms.server.doors.TenantDoor. When the database is away the last known terms hold for a while; then nobody comes in.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import PermissionDenied, Reason, ServiceError, Unavailable
from kms.core.gathering import Gathering
from kms.tenants import store
from kms.tenants.model import ChannelRules, Quotas, Tenant, TenantState, Terms

REMEMBERED_SECONDS: Final = 1.0
KNOWN_SECONDS: Final = 30.0
"""Without the database: so long the last known terms hold."""
PATIENCE_SECONDS: Final = 2.0
"""For a database that does not answer, by those whose terms are known."""
FIRST_PATIENCE_SECONDS: Final = 10.0
"""By all others: nothing else bounds how long, and how many, would wait."""
_LOOKED_UP_AT_ONCE: Final = 500
_KEPT_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class TermsSettings:
    """`quotas` and `channels`: of tenants that have none of their own. `require_registered`: a certificate for a tenant
    that was never made does not come in.
    """

    quotas: Quotas = field(default_factory=Quotas)
    channels: ChannelRules = field(default_factory=ChannelRules)
    require_registered: bool = False


@dataclass(slots=True)
class _Seen:
    """`checked`: when the database said so. `until`: no earlier than then it is asked again."""

    terms: Terms
    refusal: Reason | None
    checked: float
    until: float


class TenantTerms:
    """One for each process; those who wait are looked up together. Made on the event loop that uses it."""

    def __init__(self, database: Database, clock: Clock, settings: TermsSettings) -> None:
        self._rows: Gathering[str, Tenant | None] = Gathering(database, store.find_many, at_most=_LOOKED_UP_AT_ONCE)
        self._clock = clock
        self._settings = settings
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def terms(self, tenant: str) -> Terms:
        """Raises PermissionDenied (TENANT_SUSPENDED, TENANT_UNKNOWN), and Unavailable when the database is away for
        longer than KNOWN_SECONDS.
        """
        seen = self._seen.get(tenant)
        if seen is None or self._clock.monotonic() >= seen.until:
            seen = await self._look_up(tenant)
        if seen.refusal is not None:
            raise _refused(seen.refusal, tenant)
        return seen.terms

    def edition(self, tenant: str) -> object:
        """Another one (by ==) when the terms have changed, as far as they were looked up. Nothing is looked up here."""
        seen = self._seen.get(tenant)
        return None if seen is None else (seen.terms, seen.refusal)

    def forget(self, tenant: str) -> None:
        """It was changed here: the next call looks it up."""
        self._seen.pop(tenant, None)

    async def _look_up(self, tenant: str) -> _Seen:
        """Answers may be older than a change, never older than the question: `checked` is the time before it."""
        asked_at, known = self._clock.monotonic(), self._seen.get(tenant)
        try:
            async with asyncio.timeout(FIRST_PATIENCE_SECONDS if known is None else PATIENCE_SECONDS):
                row = await self._rows.ask(tenant)
        except (Unavailable, TimeoutError) as error:
            return self._last_known(known, error)
        found = self._judge(tenant, row, asked_at)
        current = self._seen.get(tenant)
        if current is known or (current is not None and current.checked < asked_at):
            self._remember(tenant, found)  # unless it was forgotten meanwhile: then who asks next looks again
        return found

    def _last_known(self, known: _Seen | None, error: Exception) -> _Seen:
        now = self._clock.monotonic()
        if known is None or now - known.checked >= KNOWN_SECONDS:
            if isinstance(error, ServiceError):
                raise error
            raise _away() from error
        known.until = min(now + REMEMBERED_SECONDS, known.checked + KNOWN_SECONDS)
        return known

    def _judge(self, tenant: str, row: Tenant | None, asked_at: float) -> _Seen:
        settings = self._settings
        quotas = settings.quotas if row is None or row.quotas is None else row.quotas
        channels = settings.channels if row is None or row.channels is None else row.channels
        refusal = None
        if row is None and settings.require_registered:
            refusal = Reason.TENANT_UNKNOWN
        elif row is not None and row.state is TenantState.SUSPENDED:
            refusal = Reason.TENANT_SUSPENDED
        terms = Terms(tenant, quotas, channels)
        before = self._seen.get(tenant)
        if before is not None and before.terms == terms:
            terms = before.terms  # the same object: who compares does so at once
        return _Seen(terms, refusal, asked_at, asked_at + REMEMBERED_SECONDS)

    def _remember(self, tenant: str, found: _Seen) -> None:
        self._seen.pop(tenant, None)
        self._seen[tenant] = found
        while len(self._seen) > _KEPT_MAX:
            self._seen.popitem(last=False)


def _refused(reason: Reason, tenant: str) -> PermissionDenied:
    if reason is Reason.TENANT_SUSPENDED:
        return PermissionDenied(reason, f"tenant {tenant} is suspended; its operators can say why, and resume it")
    return PermissionDenied(reason, f"tenant {tenant} was never made at this server; ask its operators")


def _away() -> Unavailable:
    return Unavailable(
        Reason.DATABASE_UNAVAILABLE, "the database is not usable right now; retry", retry_after_seconds=5
    )
