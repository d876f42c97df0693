"""Use cases of grants: give, look, take back. A change is one write transaction: grant, edition, log entry, answer."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import cedarpy
from sqlalchemy.engine import Connection

from kms.access import grant_store, store
from kms.access.actions import Actions
from kms.access.grants import COLLECTION, LIVE_MAX, REASON_CHARACTERS_MAX, Grant, check_grant, check_statement
from kms.access.principals import Principals
from kms.access.service import Act
from kms.access.source import TenantRules
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, ResourceExhausted
from kms.core.idempotency import Replays
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAnswer:
    """What a mutating call remembers for a replay: the grant is read afresh, the promise is the first one."""

    name: str
    promise: LogPromise


Granted = tuple[Grant, LogPromise, bool]
"""The grant as it is now, the promise of the act's log entry, and whether this is a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGrant:
    """What is asked for; see protos/hallmark/v1/access.proto."""

    principal: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str
    reason: str
    expire_time: datetime


@dataclass(slots=True, kw_only=True)
class Grants:
    database: Database
    log: TransparencyLog
    randomness: Randomness
    source: TenantRules
    actions: Actions
    principals: Principals
    schema: cedarpy.Schema
    _replays: Replays[GrantAnswer] = field(default_factory=lambda: Replays(GrantAnswer))

    async def create(self, tenant: str, wanted: WantedGrant, act: Act) -> Granted:
        """Raises InvalidArgument, PermissionDenied (to oneself), ResourceExhausted/QUOTA_EXCEEDED."""
        grant = Grant(
            name=ChildName(tenant, COLLECTION, new_id(act.now, self.randomness)),
            principal=wanted.principal,
            actions=wanted.actions,
            resources=wanted.resources,
            condition=wanted.condition,
            reason=wanted.reason,
            create_time=act.now,
            expire_time=wanted.expire_time,
            grantor=act.caller.spiffe_id,
        )
        earlier = await self.database.read(lambda tx: self._replays.find(tx, act.request))
        if earlier is not None:
            return await self._granted(earlier, act, replayed=True)
        check_grant(grant, grantor=act.caller, principals=self.principals, actions=self.actions)
        await asyncio.to_thread(check_statement, grant, self.schema)

        def insert(tx: Connection) -> tuple[ChildName, LogPromise]:
            if len(grant_store.in_force(tx, tenant, act.now)) >= LIVE_MAX:
                raise ResourceExhausted(
                    Reason.QUOTA_EXCEEDED,
                    f"a tenant has at most {LIVE_MAX} grants in force; revoke one, or set a policy",
                )
            grant_store.insert(tx, grant)
            details: dict[str, Json] = {"actions": list(grant.actions), "expire_time": format_time(grant.expire_time)}
            entry = LogEntry(
                new_id(act.now, self.randomness), "grant.created", tenant, str(grant.name), act.now, details
            )
            return grant.name, record_with_facts(tx, self.log, entry, _facts(grant), self.randomness)

        return await self._once(tenant, act, insert)

    async def get(self, name: ChildName) -> Grant:
        """Raises the uniform not-found."""
        return await self.database.read(lambda tx: grant_store.get(tx, name))

    async def newest(
        self, tenant: str, *, before: str, limit: int, principal: str, live_at: datetime | None
    ) -> Sequence[Grant]:
        """Newest first, after the id `before`. `principal`: of that one only. `live_at`: those in force then only."""
        return await self.database.read(
            lambda tx: grant_store.newest(tx, tenant, before=before, limit=limit, principal=principal, live_at=live_at)
        )

    async def revoke(self, name: ChildName, reason: str, act: Act) -> Granted:
        """Raises not-found, FailedPrecondition/STATE_TRANSITION_INVALID when it is over."""
        if len(reason) > REASON_CHARACTERS_MAX or not reason.isprintable():
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"reason has at most {REASON_CHARACTERS_MAX} printable characters", field="reason"
            )

        def end(tx: Connection) -> tuple[ChildName, LogPromise]:
            if not grant_store.get(tx, name).is_in_force(act.now):
                raise FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{name} is over already", resource=str(name))
            grant_store.set_revoked(tx, name, act.now)
            entry = LogEntry(new_id(act.now, self.randomness), "grant.revoked", name.tenant, str(name), act.now, {})
            facts = {"by": act.caller.spiffe_id, "reason": reason}
            return name, record_with_facts(tx, self.log, entry, facts, self.randomness)

        return await self._once(name.tenant, act, end)

    async def _once(self, tenant: str, act: Act, do: Callable[[Connection], tuple[ChildName, LogPromise]]) -> Granted:
        """Acts, or finds that the call was answered before."""

        def commit(tx: Connection) -> tuple[GrantAnswer, bool]:
            if (earlier := self._replays.find(tx, act.request)) is not None:
                return earlier, True
            name, promise = do(tx)
            store.count_change(tx, tenant)
            answer = GrantAnswer(name=str(name), promise=promise)
            self._replays.store(tx, act.request, answer, act.now)
            return answer, False

        answer, replayed = await self.database.write(commit)
        return await self._granted(answer, act, replayed=replayed)

    async def _granted(self, answer: GrantAnswer, act: Act, *, replayed: bool) -> Granted:
        await self.source.refresh()
        promise = await self.log.confirm(answer.promise, published=act.published)
        return await self.get(ChildName.parse(answer.name, COLLECTION)), promise, replayed


def _facts(grant: Grant) -> dict[str, str]:
    """People, and what holds their names and words: commitments. The digest is of all the terms."""
    terms = canonical_json(
        {
            "name": str(grant.name),
            "principal": grant.principal,
            "actions": list(grant.actions),
            "resources": list(grant.resources),
            "condition": grant.condition,
            "reason": grant.reason,
            "expire_time": format_time(grant.expire_time),
            "grantor": grant.grantor,
        }
    )
    return {
        "by": grant.grantor,
        "principal": grant.principal,
        "reason": grant.reason,
        "terms_sha256": hashlib.sha256(terms).hexdigest(),
    }
