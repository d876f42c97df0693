"""Leases: for how long an artifact may be used, and what becomes of its key afterwards. Pure, with explicit clocks.

    until = min(expires_at, last time that state was known to be current + max_staleness + offline_grace)

all in trusted time (`trusted_time`). Nothing has to arrive for a permission to end: silence suspends, and the lease's
own end shreds. What cannot be undone is done on proven time alone, never because a real-time clock says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Self, TypeAlias

from hallmark_events.canonical import parse_time
from hallmark_events.errors import LeaseInvalid, StatusListInvalid
from hallmark_events.event_set import EventSet
from hallmark_events.manifest import VerifiedManifest
from hallmark_events.state import FeedState
from hallmark_events.state_entry import Entry
from hallmark_events.status_list import StatusReference, parse_reference
from hallmark_events.trusted_time import Basis, Clocks, Now, TrustedTime
from hallmark_events.types import LEASE_GRANTED, Silence, StatusValue

__all__ = [
    "Allowed", "Clocks", "Decision", "Lease", "Now", "Shred", "Standing", "Suspended", "TrustedTime", "Why", "decide",
    "standing_of", "worst",
]  # fmt: skip

SECONDS_MAX: Final = 10 * 366 * 86_400
"""Ten years; of any duration in a lease."""


class Why(Enum):
    """Why an artifact may not be used."""

    WITHDRAWN = "withdrawn"
    """Consent or lease was ended, or the artifact revoked."""
    EXPIRED = "expired"
    """The lease is over, by proven time."""
    SUSPENDED = "suspended"
    """The service said so; it may say otherwise later."""
    NOT_YET = "not yet"
    """not_before has not come."""
    SILENT = "silent"
    """For too long nobody said that what is held is current: go online."""
    CLOCK_UNKNOWN = "clock unknown"
    """The clock is behind a time that is proven to be past: go online."""
    CLOCK_LATE = "clock late"
    """By the real-time clock, which proves nothing, the lease is over: go online."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """May be used before `until`, in trusted time. in_grace: max_staleness is over, and the grace is running."""

    until: datetime
    in_grace: bool = False


@dataclass(frozen=True, slots=True)
class Suspended:
    """May not be used now. The key stays, and so does what it opens."""

    why: Why


@dataclass(frozen=True, slots=True)
class Shred:
    """May never be used again: destroy the key and send a receipt."""

    why: Why


Decision: TypeAlias = Allowed | Suspended | Shred


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is told of the things that a lease stands on; None: nothing. From feeds or status lists, the worse of them.

    lease_action and artifact_action: what the event says shall become of the key (lease-ended, artifact-revoked).
    """

    lease: StatusValue | None = None
    consent: StatusValue | None = None
    artifact: StatusValue | None = None
    device: StatusValue | None = None
    lease_action: Silence = Silence.SHRED
    artifact_action: Silence = Silence.SUSPEND


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What lease-granted says. `removal`: the time that the consent promises removal within, when it is known.
    `consent_expires_at`: when the consent ends by itself; no lease goes on beyond that, whatever lengthens it.
    """

    lease: str
    consent: str
    device: str
    artifact: str
    kind: str
    not_before: datetime
    expires_at: datetime
    max_staleness: timedelta
    offline_grace: timedelta
    on_silence: Silence
    on_expiry: Silence
    status: StatusReference | None
    revision: int
    removal: timedelta | None = None
    consent_expires_at: datetime | None = None

    @classmethod
    def from_event(cls, event: EventSet | Entry) -> Self:
        """From a verified event, or from what a state keeps of it. Raises LeaseInvalid."""
        if event.uri != LEASE_GRANTED or event.status is not StatusValue.VALID:
            raise LeaseInvalid("the event grants no lease")
        return cls._parse(event.own, event.revision)

    @classmethod
    def _parse(cls, own: Mapping[str, Any], revision: int) -> Self:
        not_before = parse_time(own.get("not_before"), what="not_before", refuse=LeaseInvalid)
        expires_at = parse_time(own.get("expires_at"), what="expires_at", refuse=LeaseInvalid)
        if not_before >= expires_at:
            raise LeaseInvalid("the lease ends before it begins")
        consent_expires_at = None
        if "consent_expires_at" in own:
            told = own["consent_expires_at"]
            consent_expires_at = parse_time(told, what="consent_expires_at", refuse=LeaseInvalid)
            if expires_at > consent_expires_at:
                raise LeaseInvalid("the lease outlasts its consent")
        if own.get("lease") != own.get("subject"):
            raise LeaseInvalid("the lease is not the subject of its event")
        return cls(
            lease=_text(own, "lease"),
            consent=_text(own, "consent"),
            device=_text(own, "device"),
            artifact=_text(own, "artifact"),
            kind=_text(own, "kind"),
            not_before=not_before,
            expires_at=expires_at,
            max_staleness=_duration(own, "max_staleness_seconds"),
            offline_grace=_duration(own, "offline_grace_seconds"),
            on_silence=_silence(own, "on_silence", Silence.SUSPEND),
            on_expiry=_silence(own, "on_expiry", Silence.SHRED),
            status=_reference(own),
            revision=revision,
            removal=_duration(own, "removal_seconds") if "removal_seconds" in own else None,
            consent_expires_at=consent_expires_at,
        )

    def renewed_by(self, newer: Self) -> Self:
        """By a later event. Raises LeaseInvalid for another lease, and returns itself for an earlier event."""
        if (newer.lease, newer.device, newer.artifact) != (self.lease, self.device, self.artifact):
            raise LeaseInvalid("the renewal is of another lease, device or artifact")
        return newer if newer.revision > self.revision else self

    def extended_by(self, manifest: VerifiedManifest, status: StatusValue) -> Self:
        """Over plain HTTP: a log-proved manifest whose list says VALID at our index lengthens the lease, never beyond
        issued_at + removal - offline_grace, nor beyond its consent. Shortens nothing. Itself where that gives nothing.
        Of the removal times that the manifest names, the longest counts that promises no more than ours.

        Extend before the manifest's time is taken into the trusted time: then a lease that ran out on the way lives on.
        """
        if status is not StatusValue.VALID or self.removal is None:
            return self
        found = manifest.manifest
        ours = self.removal // timedelta(seconds=1)
        named = max((seconds for seconds in found.leases_until if seconds <= ours), default=None)
        if named is None:
            return self
        until = min(found.leases_until[named], found.issued_at + self.removal - self.offline_grace)
        if self.consent_expires_at is not None:
            until = min(until, self.consent_expires_at)
        return replace(self, expires_at=max(self.expires_at, until))


def standing_of(lease: Lease, *states: FeedState, listed: StatusValue | None = None) -> Standing:
    """What the states of feeds, and the lease's index in its status list, tell of what it stands on."""

    def told(subject: str) -> list[Entry]:
        return [entry for state in states if (entry := state.get(subject)) is not None]

    of_lease, of_artifact = told(lease.lease), told(lease.artifact)
    return Standing(
        lease=worst(listed, *(entry.status for entry in of_lease)),
        consent=worst(*(entry.status for entry in told(lease.consent))),
        artifact=worst(*(entry.status for entry in of_artifact)),
        device=worst(*(entry.status for entry in told(lease.device))),
        lease_action=_action(of_lease, Silence.SHRED),
        artifact_action=_action(of_artifact, Silence.SUSPEND),
    )


def worst(*statuses: StatusValue | None) -> StatusValue | None:
    """INVALID before SUSPENDED before VALID; None where nothing is told."""
    for status in (StatusValue.INVALID, StatusValue.SUSPENDED, StatusValue.VALID):
        if status in statuses:
            return status
    return None


def decide(lease: Lease, trusted: TrustedTime, clocks: Clocks, standing: Standing) -> Decision:
    """Whether the artifact of the lease may be used now.

    1. what was withdrawn is shredded  2. so is what is over, by proven time  3. the service may have suspended it
    4. without a time or a sign of life nothing is used  5. until the lease's end or the end of silence
    """
    ended = _ended(standing)
    if ended is not None:
        return Shred(Why.WITHDRAWN) if ended is Silence.SHRED else Suspended(Why.WITHDRAWN)
    now = trusted.at(clocks)
    if now.proven >= lease.expires_at:
        return Shred(Why.EXPIRED) if lease.on_expiry is Silence.SHRED else Suspended(Why.EXPIRED)
    if StatusValue.SUSPENDED in {standing.lease, standing.consent, standing.artifact, standing.device}:
        return Suspended(Why.SUSPENDED)
    return _by_time(lease, now, trusted.fresh_at)


def _by_time(lease: Lease, now: Now, fresh_at: datetime | None) -> Decision:
    if fresh_at is None:
        return Suspended(Why.SILENT)
    stale_at = fresh_at + lease.max_staleness
    silent_at = stale_at + lease.offline_grace
    if now.proven >= silent_at:
        return Shred(Why.SILENT) if lease.on_silence is Silence.SHRED else Suspended(Why.SILENT)
    if now.basis is Basis.UNKNOWN:
        return Suspended(Why.CLOCK_UNKNOWN)
    if now.time >= lease.expires_at:
        return Suspended(Why.CLOCK_LATE)
    if now.time >= silent_at:
        return Suspended(Why.SILENT)
    if now.time < lease.not_before:
        return Suspended(Why.NOT_YET)
    return Allowed(until=min(lease.expires_at, silent_at), in_grace=now.time >= stale_at)


def _ended(standing: Standing) -> Silence | None:
    """What shall become of the key, if something it needs is INVALID: the harsher of what was said."""
    invalid = StatusValue.INVALID
    said = [
        action
        for status, action in (
            (standing.consent, Silence.SHRED),
            (standing.lease, standing.lease_action),
            (standing.artifact, standing.artifact_action),
            (standing.device, Silence.SUSPEND),
        )
        if status is invalid
    ]
    if not said:
        return None
    return Silence.SHRED if Silence.SHRED in said else Silence.SUSPEND


def _action(told: Sequence[Entry], default: Silence) -> Silence:
    """The member `action` of what ended it; an action that is not known here is the harsher one."""
    actions = [entry.own["action"] for entry in told if entry.status is StatusValue.INVALID and "action" in entry.own]
    if not actions:
        return default
    return Silence.SUSPEND if set(actions) == {Silence.SUSPEND.value} else Silence.SHRED


def _text(own: Mapping[str, Any], name: str) -> str:
    value = own.get(name)
    if not isinstance(value, str) or not value:
        raise LeaseInvalid(f"{name} of a lease is text")
    return value


def _duration(own: Mapping[str, Any], name: str) -> timedelta:
    value = own.get(name)
    if type(value) is not int or not 0 <= value <= SECONDS_MAX:
        raise LeaseInvalid(f"{name} is a whole number of seconds, at most ten years")
    return timedelta(seconds=value)


def _silence(own: Mapping[str, Any], name: str, default: Silence) -> Silence:
    value = own.get(name, default.value)
    for silence in Silence:
        if silence.value == value:
            return silence
    raise LeaseInvalid(f"{name} is suspend or shred")


def _reference(own: Mapping[str, Any]) -> StatusReference | None:
    # In an event, hallmark.v1 has a "status" of its own: its name. The reference of a lease then is "status_list".
    if "status_list" not in own:
        return None
    try:
        return parse_reference({"status_list": own["status_list"]})
    except StatusListInvalid as error:
        raise LeaseInvalid(str(error)) from error
