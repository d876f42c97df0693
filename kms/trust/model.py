"""Trust bundles as they are known to the service."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kms.core.clock import is_ahead
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

SIGNING_KEY_ID = "trust-bundle"
"""tenants/system/keys/trust-bundle signs every bundle."""
BUNDLE_CONTEXT = "hallmark/trust-bundle/v1"
BUNDLE_LIFETIME = timedelta(days=7)
"""After it a bundle proves nothing any more: its holder was cut off for too long."""
REFRESH_AFTER = timedelta(days=1)
"""A bundle is made anew at this age even when nothing changed."""
SEEN_WITHIN = timedelta(days=30)
"""Clients whose last acknowledgement is older do not count."""
NOT_READY_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """`sequence` counts 1, 2, 3... per tenant without gaps. `payload` is what is signed (kms.trust.payload)."""

    tenant: str
    sequence: int
    payload: bytes
    signature: ServiceSignature
    promise: LogPromise

    @property
    def public_path(self) -> str:
        return f"trust/{self.tenant}/bundle-{self.sequence}.json"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which changes a bundle shows: of the tenant's own keys and of the service's. `next_change_time`: when it is
    out of date by the passing of time alone.
    """

    own: int
    system: int
    made: datetime
    next_change_time: datetime

    def is_current(self, own: int, system: int, now: datetime) -> bool:
        """A bundle that was made while a clock was ahead is made again."""
        has_all = (self.own, self.system) == (own, system)
        return has_all and now < self.next_change_time and not is_ahead(self.made, now)


def latest_path(tenant: str) -> str:
    return f"trust/{tenant}/latest.json"
