"""Use cases of tenants: make, look, change, suspend and resume. Each change is one write transaction: tenant, log
entry, answer for replays.

Operators are the admins of the operator tenant. Others see their own tenant only, and of another one the answer is the
uniform not-found. A tenant's own admins may give it another display name, and stricter channel rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.identity import Caller, Role
from kms.core.ids import new_id
from kms.core.names import TenantName
from kms.core.randomness import Randomness
from kms.keys.model import SYSTEM_TENANT
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog
from kms.tenants import store
from kms.tenants.changes import (
    Change,
    TenantUpdate,
    changed_meanwhile,
    check_etag,
    check_may_change,
    created_details,
    operators_only,
    updated_details,
)
from kms.tenants.model import ChannelRules, Quotas, Tenant, TenantState


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantAnswer:
    """What a changing call remembers for a replay: the tenant is read afresh, the promise is the first one."""

    tenant: str
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a change, under which request."""

    caller: Caller
    request: RequestKey
    now: datetime


Outcome = tuple[Tenant, LogPromise, bool]
"""The tenant as it is now, the promise of the act's log entry, and whether this is a replay."""


@dataclass(slots=True, kw_only=True)
class TenantService:
    """`default_channels`: the rules of tenants that have none. `changed` is told the id after each change."""

    database: Database
    log: TransparencyLog
    randomness: Randomness
    operator_tenant: str
    default_channels: ChannelRules
    changed: Callable[[str], None]
    _replays: Replays[TenantAnswer] = field(default_factory=lambda: Replays(TenantAnswer))

    async def create(
        self,
        name: TenantName,
        *,
        display_name: str,
        quotas: Quotas | None,
        channels: ChannelRules | None,
        asker: Asker,
    ) -> Outcome:
        """Raises PermissionDenied for who is no operator, InvalidArgument, AlreadyExists/TENANT_EXISTS."""
        if not self.is_operator(asker.caller):
            raise operators_only("make tenants")
        if name.tenant == SYSTEM_TENANT:
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"{name} is the service's own; choose another tenant_id", field="tenant_id"
            )
        tenant = Tenant(
            name=name,
            display_name=display_name,
            state=TenantState.ACTIVE,
            quotas=quotas,
            channels=channels,
            reason="",
            revision=1,
            create_time=asker.now,
            update_time=asker.now,
        )

        def work(tx: Connection) -> LogPromise:
            if not store.insert(tx, tenant):
                raise AlreadyExists(
                    Reason.TENANT_EXISTS, f"{name} exists already; choose another tenant_id", resource=str(name)
                )
            return self._record(tx, Change("tenant.created", created_details(tenant)), tenant, asker)

        return await self._act(name, asker, work)

    async def get(self, name: TenantName, caller: Caller) -> Tenant:
        """Raises the uniform not-found."""
        self._check_visible(name, caller)
        return _there(await self.database.read(lambda tx: store.find(tx, name.tenant)), name)

    async def list(self, caller: Caller, *, after: tuple[datetime, str] | None, limit: int) -> Sequence[Tenant]:
        """Oldest first. Who is no operator gets their own."""
        if self.is_operator(caller):
            return await self.database.read(lambda tx: store.list_tenants(tx, after=after, limit=limit))
        own = await self.database.read(lambda tx: store.find(tx, caller.tenant))
        return [] if own is None or after is not None else [own]

    async def update(self, name: TenantName, update: TenantUpdate, *, etag: str, asker: Asker) -> Outcome:
        """Raises not-found, PermissionDenied for what only operators may change, Aborted/ETAG_MISMATCH."""
        self._check_visible(name, asker.caller)
        as_operator = self.is_operator(asker.caller)

        def work(tx: Connection) -> LogPromise:
            before = _there(store.find(tx, name.tenant), name)
            check_etag(before, etag)
            if not as_operator:
                check_may_change(before, update, self.default_channels)
            after = replace(update.applied_to(before), update_time=asker.now)
            return self._save(tx, before, after, Change("tenant.updated", updated_details(after, update)), asker)

        return await self._act(name, asker, work)

    async def set_state(self, name: TenantName, state: TenantState, *, reason: str, etag: str, asker: Asker) -> Outcome:
        """Raises not-found, PermissionDenied for who is no operator, Aborted/ETAG_MISMATCH, FailedPrecondition/
        STATE_TRANSITION_INVALID: it is so already, or it is the operators' own.
        """
        self._check_visible(name, asker.caller)
        if not self.is_operator(asker.caller):
            raise operators_only("suspend and resume tenants")
        if name.tenant == self.operator_tenant and state is TenantState.SUSPENDED:
            raise _refused(name, "is the operators' own: nobody could resume it")

        def work(tx: Connection) -> LogPromise:
            before = _there(store.find(tx, name.tenant), name)
            check_etag(before, etag)
            if before.state is state:
                raise _refused(name, f"is {state} already")
            kept = reason if state is TenantState.SUSPENDED else ""
            after = replace(before, state=state, reason=kept, revision=before.revision + 1, update_time=asker.now)
            facts = {"reason": reason} if reason else {}
            details = {"revision": after.revision, "state": state.value}
            return self._save(tx, before, after, Change("tenant.state-changed", details, facts), asker)

        return await self._act(name, asker, work)

    def is_operator(self, caller: Caller) -> bool:
        return caller.tenant == self.operator_tenant and caller.role is Role.ADMIN

    def _check_visible(self, name: TenantName, caller: Caller) -> None:
        if name.tenant != caller.tenant and not self.is_operator(caller):
            raise not_found(str(name))

    async def _act(self, name: TenantName, asker: Asker, work: Callable[[Connection], LogPromise]) -> Outcome:
        def once(tx: Connection) -> tuple[TenantAnswer, bool]:
            if (earlier := self._replays.find(tx, asker.request)) is not None:
                return earlier, True
            answer = TenantAnswer(tenant=name.tenant, promise=work(tx))
            self._replays.store(tx, asker.request, answer, asker.now)
            return answer, False

        answer, replayed = await self.database.write(once)
        self.changed(answer.tenant)
        promise = await self.log.confirm(answer.promise, published=False)
        tenant = await self.database.read(lambda tx: store.find(tx, answer.tenant))
        return _there(tenant, name), promise, replayed

    def _save(self, tx: Connection, before: Tenant, after: Tenant, change: Change, asker: Asker) -> LogPromise:
        if not store.save(tx, after, before=before):
            raise changed_meanwhile(before)
        return self._record(tx, change, after, asker)

    def _record(self, tx: Connection, change: Change, tenant: Tenant, asker: Asker) -> LogPromise:
        """Who did it, and the words of people, stand as commitments."""
        key = new_id(asker.now, self.randomness)
        entry = LogEntry(key, change.event_type, tenant.name.tenant, str(tenant.name), asker.now, change.details)
        facts = {"by": asker.caller.spiffe_id, **change.facts}
        return record_with_facts(tx, self.log, entry, facts, self.randomness)


def _there(tenant: Tenant | None, name: TenantName) -> Tenant:
    if tenant is None:
        raise not_found(str(name))
    return tenant


def _refused(name: TenantName, why: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{name} {why}", resource=str(name))
