"""May this be used now? From what is held, without asking anybody."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from hallmark_client.model.result import Result
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Held, Lists
from hallmark_events.errors import LeaseInvalid
from hallmark_events.lease import Allowed, Decision, Lease, Shred, Standing, Suspended, Why, decide
from hallmark_events.state_entry import Entry
from hallmark_events.trusted_time import Clocks, TrustedTime
from hallmark_events.types import ARTIFACT_REVOKED, LEASE_GRANTED, Silence, StatusValue, kind_of

_ORDER: Final = {Shred: 0, Suspended: 1, Allowed: 2}


@dataclass(frozen=True, slots=True)
class NotGranted:
    """There is no lease for it on this device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Result):
    """What holds for an artifact, a consent or a lease. `lease` decides: the one that allows most; "" without one.

    decision: Allowed(until, in_grace), Suspended(why), Shred(why) or NotGranted().
    """

    subject: str
    lease: str
    decision: Decision | NotGranted

    @property
    def is_allowed(self) -> bool:
        return isinstance(self.decision, Allowed)


_Found: TypeAlias = tuple[str, Decision]


def use_of(held: Held, subject: str, clocks: Clocks) -> Use:
    """subject: resource name of an artifact, a consent or a lease."""
    found = [(name, _decided(held, name, entry, clocks)) for name, entry in _leases(held, subject)]
    if found:
        lease, decision = max(found, key=_rank)
        return Use(subject=subject, lease=lease, decision=decision)
    match held.status_of(subject):
        case StatusValue.INVALID:
            entry = held.get(subject)
            keeps = kind_of(subject) == "artifacts" and (entry is None or _artifact_action(entry) is Silence.SUSPEND)
            return Use(subject=subject, lease="", decision=Suspended(Why.WITHDRAWN) if keeps else Shred(Why.WITHDRAWN))
        case StatusValue.SUSPENDED:
            return Use(subject=subject, lease="", decision=Suspended(Why.SUSPENDED))
        case _:
            return Use(subject=subject, lease="", decision=NotGranted())


def _leases(held: Held, subject: str) -> list[tuple[str, Entry]]:
    feed = held.feeds.get(Feed.DEVICE)
    if feed is None:
        return []
    entries = {name: entry for name, entry in feed.entries().items() if _is_ours(held, entry)}
    if kind_of(subject) == "leases":
        return [(subject, entries[subject])] if subject in entries else []
    return [
        (name, entry)
        for name, entry in entries.items()
        if kind_of(name) == "leases" and subject in {entry.own.get("artifact"), entry.own.get("consent")}
    ]


def _is_ours(held: Held, entry: Entry) -> bool:
    """A lease for another device, proved as it may be, allows nothing here."""
    return entry.uri != LEASE_GRANTED or held.device is None or entry.own.get("device") == held.device


def _rank(found: _Found) -> tuple[int, float, str]:
    name, decision = found
    return _ORDER[type(decision)], decision.until.timestamp() if isinstance(decision, Allowed) else 0.0, name


def _decided(held: Held, name: str, entry: Entry, clocks: Clocks) -> Decision:
    if entry.uri != LEASE_GRANTED or entry.status is not StatusValue.VALID:
        return _without_terms(entry)
    try:
        lease = Lease.from_event(entry)
    except LeaseInvalid:
        return Suspended(Why.SUSPENDED)  # not understood: nothing is allowed by it, and nothing destroyed
    lease = _lengthened(lease, held.lists, held.lists.extended.get(name))
    return decide(lease, _time_for(held, name), clocks, _standing(held, lease))


def _lengthened(lease: Lease, lists: Lists, until: datetime | None) -> Lease:
    """By the last manifest, and within the terms that the lease has now: they may be narrower than when it was read."""
    if until is None or lists.issued_at is None or lease.removal is None:
        return lease
    limits = [until, lists.issued_at + lease.removal - lease.offline_grace, lease.consent_expires_at or until]
    return dataclasses.replace(lease, expires_at=max(lease.expires_at, min(limits)))


def _without_terms(entry: Entry) -> Decision:
    """The lease ended, or is suspended, by an event that says nothing else."""
    if entry.status is StatusValue.SUSPENDED:
        return Suspended(Why.SUSPENDED)
    suspends = entry.own.get("action") == Silence.SUSPEND.value
    return Suspended(Why.WITHDRAWN) if suspends else Shred(Why.WITHDRAWN)


def _time_for(held: Held, lease: str) -> TrustedTime:
    """Files say nothing of a lease that their lists do not have: for it only what was heard of the service counts."""
    trusted = held.clock.trusted
    return trusted if lease in held.lists.listed else dataclasses.replace(trusted, fresh_at=held.clock.heard_at)


def _standing(held: Held, lease: Lease) -> Standing:
    artifact = held.get(lease.artifact)
    return Standing(
        lease=held.status_of(lease.lease),
        consent=held.status_of(lease.consent),
        artifact=held.status_of(lease.artifact),
        device=held.status_of(lease.device),
        artifact_action=Silence.SUSPEND if artifact is None else _artifact_action(artifact),
    )


def _artifact_action(entry: Entry) -> Silence:
    said = entry.uri == ARTIFACT_REVOKED and entry.own.get("action") == Silence.SHRED.value
    return Silence.SHRED if said else Silence.SUSPEND
