"""Leases: what one device may hold of one consent, and until when."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from kms.consent.model import ArtifactKind, Consent, LeaseAction
from kms.core.names import ChildName, DigestName
from kms.status.lists import StatusReference

_STALENESS: Final[Mapping[ArtifactKind, timedelta]] = {
    ArtifactKind.BIOMETRIC_TEMPLATE: timedelta(hours=1),
    ArtifactKind.CREDENTIAL: timedelta(hours=4),
}
_STALENESS_ELSE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """`renew_time`: when it is due; None when there is nothing to prolong. `user`, `consent_expire_time` and
    `removal_time` are its consent's: the pseudonym of the person, when it ends, and the promise.

    Always: expire_time + offline_grace <= not_before + removal_time, and expire_time <= consent_expire_time. Every
    renewal moves not_before and counts `revision` up.
    """

    name: ChildName
    consent: ChildName
    device: ChildName
    artifact: DigestName
    kind: ArtifactKind
    revision: int
    not_before: datetime
    expire_time: datetime
    renew_time: datetime | None
    max_staleness: timedelta
    offline_grace: timedelta
    on_silence: LeaseAction
    on_expiry: LeaseAction
    status: StatusReference
    live: bool
    user: str
    consent_expire_time: datetime
    removal_time: timedelta

    def is_live_at(self, now: datetime) -> bool:
        """Time alone ends a lease."""
        return self.live and now < self.expire_time

    def is_due_at(self, now: datetime) -> bool:
        """Whoever asks for it then gets it prolonged."""
        return now >= self.expire_time or (self.renew_time is not None and now >= self.renew_time)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A lease that is due, and how long it lasts by its consent's terms."""

    lease: Lease
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when, and when to prolong it."""

    not_before: datetime
    expire_time: datetime
    renew_time: datetime | None


def window(*, now: datetime, duration: timedelta, consent_expire_time: datetime, renew_fraction: float) -> Window:
    """Never beyond the consent; a lease that ends with its consent is never due."""
    expire_time = min(now + duration, consent_expire_time)
    if expire_time >= consent_expire_time:
        return Window(now, expire_time, None)
    return Window(now, expire_time, now + duration * renew_fraction)


def staleness(consent: Consent, kind: ArtifactKind) -> timedelta:
    """Without a proof of freshness for so long the device acts as on_silence says; never longer than the lease."""
    return min(consent.terms.max_staleness or _STALENESS.get(kind, _STALENESS_ELSE), consent.terms.duration)


def first_lease(
    consent: Consent,
    device: ChildName,
    artifact: DigestName,
    *,
    name: ChildName,
    status: StatusReference,
    now: datetime,
    renew_fraction: float,
) -> Lease:
    """For an artifact that the consent names."""
    kind = consent.kind_of(artifact)
    assert kind is not None
    terms = consent.terms
    span = window(
        now=now,
        duration=terms.duration,
        consent_expire_time=consent.expire_time,
        renew_fraction=renew_fraction,
    )
    return Lease(
        name=name,
        consent=consent.name,
        device=device,
        artifact=artifact,
        kind=kind,
        revision=1,
        not_before=span.not_before,
        expire_time=span.expire_time,
        renew_time=span.renew_time,
        max_staleness=staleness(consent, kind),
        offline_grace=terms.offline_grace,
        on_silence=terms.on_silence,
        on_expiry=terms.on_expiry,
        status=status,
        live=True,
        user=consent.pii_principal_id,
        consent_expire_time=consent.expire_time,
        removal_time=consent.removal_time,
    )


def renewed(due: Renewal, *, now: datetime, renew_fraction: float) -> Lease:
    """The same lease from now on."""
    span = window(
        now=now,
        duration=due.duration,
        consent_expire_time=due.lease.consent_expire_time,
        renew_fraction=renew_fraction,
    )
    return replace(
        due.lease,
        revision=due.lease.revision + 1,
        not_before=span.not_before,
        expire_time=span.expire_time,
        renew_time=span.renew_time,
    )
