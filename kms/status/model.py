"""Snapshots of what is revoked, as files for everybody: their paths, and what is known of each that was made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

MANIFEST_CONTEXT: Final = "hallmark/status-manifest/v1"
TOKEN_KEY_ID: Final = "status-lists-es256"  # noqa: S105 - the name of a key
"""tenants/system/keys/status-lists-es256 signs Status List Tokens. Manifests are signed by the key of events."""
BITS: Final = 2
DELTAS_KEPT: Final = 10
"""Deltas lead from so many manifests before the newest; what those name is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One that was made: signed and in the log, `published` once all its files are there.

    (`epoch`, `number`) only grows. `sequence`: of the global feed. `tlog_proof`: chosen once, so that every replica
    writes the same bytes.
    """

    tenant: str
    number: int
    epoch: bytes
    sequence: int
    issued_at: datetime
    not_after: datetime
    manifest: bytes
    signature: ServiceSignature
    promise: LogPromise
    tlog_proof: bytes | None = None
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`interval`: least time between two snapshots; `lifetime`: how long one is fresh. What is urgent waits for
    `urgent`, so that one snapshot has what comes together.
    """

    interval: timedelta
    lifetime: timedelta
    urgent: timedelta = timedelta(seconds=1)

    @property
    def renewal(self) -> timedelta:
        """At this age it is made again although nothing changed: a reader has a third of its life to fetch it."""
        return self.lifetime * 2 / 3


def folder(tenant: str) -> str:
    return f"status/{tenant}/"


def set_path(tenant: str, name: str) -> str:
    """Of a file that never changes; `name` is its SHA-256 in hex, or that of a manifest and an ending."""
    return f"{folder(tenant)}sets/{name}"


def list_uri(base: str, tenant: str, number: int) -> str:
    """What a reference names (draft-ietf-oauth-status-list-21, section 6.2), and where its token stands."""
    return f"{base}/{folder(tenant)}lists/{number}.jwt"


def aggregation_uri(base: str, tenant: str) -> str:
    """Names all lists (section 9)."""
    return f"{base}/{folder(tenant)}lists.json"
