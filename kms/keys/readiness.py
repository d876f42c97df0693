"""Who is ready for a version that is about to sign. The count is kept by kms.trust, which stands above keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kms.keys.model import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`bundle_sequence`: first trust bundle that holds `next_version`; of clients seen lately `ready` have it.

    0 when none holds it yet: then nobody is ready. Without a next version, ready are those who have the newest bundle.
    `not_ready`: SPIFFE ids, at most 100.
    """

    next_version: str
    activate_time: datetime | None
    bundle_sequence: int
    clients_seen: int
    clients_ready: int
    not_ready: tuple[str, ...]


class ReadinessReader(Protocol):
    async def readiness(self, key: Key, tenant: str, now: datetime) -> Readiness:
        """For the version that a rotation brings, done or rehearsed, among the clients of `tenant`."""
