"""What an owner decides about a key, and what comes of it."""

from dataclasses import dataclass
from datetime import datetime

from hallmark_client.model.keys import Key
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias(Result):
    """Another name for a key, which can be pointed elsewhere. log, replayed: only on the answer of `set`."""

    name: str
    key: str
    etag: str
    update_time: datetime
    log: LogPromise | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness(Result):
    """Who is ready for the version that signs next.

    next_version: empty when none waits; then ready are those who have the newest trust bundle. bundle_sequence: first
    bundle that holds it; 0 when none does yet, and then nobody is ready. clients_seen: who acknowledged any bundle
    within 30 days. not_ready: at most 100 of those that are not.
    """

    next_version: str
    activate_time: datetime | None
    bundle_sequence: int
    clients_seen: int
    clients_ready: int
    not_ready: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal(Result):
    """What a rotation would do; nothing was changed. key: as it would be, its new version without a public key."""

    key: Key
    readiness: Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRehearsal(Result):
    """What an update would do; nothing was changed. key: as it would be.

    loosened: settings that would allow more than now. parameters_sha256: for `approvals.propose`, empty when nobody is
    ever asked about such an update. approvals_needed: 0 for none.
    """

    key: Key
    loosened: tuple[str, ...]
    parameters_sha256: bytes
    approvals_needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromise(Result):
    """What a report came to. key: with a fresh primary version when the primary one was compromised.

    revocations: names, one for each version that stopped. log: of the report.
    """

    key: Key
    revocations: tuple[str, ...]
    log: LogPromise
    replayed: bool
