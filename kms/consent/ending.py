"""How a consent ends, whoever ends it: record, leases, status, log entry, event and removals in one transaction."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.consent import lease_store, store
from kms.consent.entries import ended_entry
from kms.consent.giving import Pair
from kms.consent.leases import Lease
from kms.consent.model import Change, Consent, ConsentState
from kms.consent.payload import consent_draft
from kms.consent.removal_port import Prepared, RemovalOrder, RemovalRequests
from kms.consent.service import feeds_of
from kms.events.appending import Events, Overtaken
from kms.events.model import InitiatingEntity, SignedEvent, Status
from kms.log.entries.commitments import record_with_facts
from kms.status import lists

_SIGNED_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What is decided: `state` is one of those that are for ever."""

    state: ConsentState
    reason: str
    initiating_entity: InitiatingEntity
    now: datetime
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True)
class PreparedEnd:
    """Signed and not done yet. `consent` as it will be; `removals`: what its devices will be asked for."""

    consent: Consent
    event: SignedEvent
    removals: Sequence[Prepared]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    events: Events
    removals: RemovalRequests

    async def prepare(self, consent: Consent, end: End, pairs: Collection[Pair]) -> PreparedEnd:
        """`pairs`: who is to delete what; everybody who ever had a lease, or nobody. Signs; writes nothing."""
        ended = replace(
            consent,
            state=end.state,
            revision=consent.revision + 1,
            update_time=end.now,
            end_time=end.now,
            end_reason=end.reason,
        )
        draft = consent_draft(
            ended,
            self.events.new_id(end.now),
            initiating_entity=end.initiating_entity,
            now=end.now,
            transaction_id=end.transaction_id,
        )
        event = await self.events.sign(draft, end.now)
        return PreparedEnd(ended, event, await self.order(ended, end, pairs))

    async def order(self, ended: Consent, end: End, pairs: Collection[Pair]) -> list[Prepared]:
        """Signs a request for each pair, a few at a time."""
        assert ended.end_time is not None
        orders = [
            RemovalOrder(
                device=device,
                artifact=artifact,
                consent=ended.name,
                deadline=ended.end_time + ended.removal_time,
                user=ended.pii_principal_id,
                effective_time=ended.end_time,
                initiating_entity=end.initiating_entity,
                transaction_id=end.transaction_id,
            )
            for device, artifact in sorted(pairs, key=str)
        ]
        prepared: list[Prepared] = []
        for start in range(0, len(orders), _SIGNED_AT_ONCE):
            some = orders[start : start + _SIGNED_AT_ONCE]
            prepared += await asyncio.gather(*(self.removals.prepare(each, end.now) for each in some))
        return prepared

    def end_in(self, tx: Connection, prepared: PreparedEnd) -> Change:
        """Raises Overtaken when the consent, or its leases, changed since it was prepared: begin anew."""
        ended = prepared.consent
        assert ended.end_time is not None
        self.events.lock(tx, ended.name.tenant, ended.end_time)  # first: whoever revokes locks in this order too
        leases = end_rows(tx, ended, removal_due=False)
        if leases is None:
            raise Overtaken(str(ended.name))
        asked = {(each.order.device, each.order.artifact) for each in prepared.removals}
        if ended.state is not ConsentState.EXPIRED and asked != pairs_of(leases):
            raise Overtaken(str(ended.name))
        entry, facts = ended_entry(ended, prepared.event), {"reason": ended.end_reason} if ended.end_reason else {}
        promise = record_with_facts(tx, self.events.log, entry, facts, self.events.randomness)
        if feeds := feeds_of(tx, ended):
            self.events.append(tx, prepared.event, promise, feeds)
        for each in prepared.removals:
            self.removals.request_in(tx, each)
        names = tuple(str(each.removal) for each in prepared.removals)
        change = Change(revision=ended.revision, promise=promise, removals=names)
        store.insert_change(tx, ended.name, change)
        return change


def end_rows(tx: Connection, ended: Consent, *, removal_due: bool) -> list[Lease] | None:
    """Record, leases and their public status, for ever. All leases it ever had; None when the record changed."""
    assert ended.end_time is not None
    done = store.end(
        tx,
        ended.name,
        before=ended.revision - 1,
        state=ended.state,
        reason=ended.end_reason,
        removal_due=removal_due,
        now=ended.end_time,
    )
    if not done:
        return None
    leases = lease_store.end_of_consent(tx, ended.name)
    for subject in (ended.name, *(each.name for each in leases)):
        lists.set_value(tx, ended.name.tenant, str(subject), Status.INVALID)
    return leases


def pairs_of(leases: Collection[Lease]) -> frozenset[Pair]:
    """Who was ever given what."""
    return frozenset((each.device, each.artifact) for each in leases)
