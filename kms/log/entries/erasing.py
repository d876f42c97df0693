"""Opening commitments, and destroying what opens them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_tlog.entry import parse_entry
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import AlreadyExists, FailedPrecondition, Reason
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import TenantName
from kms.core.randomness import Randomness
from kms.log import store
from kms.log.entries import openings_store
from kms.log.entries.commitments import Committed, matches, record_with_facts
from kms.log.entries.finding import published_entry
from kms.log.model import LogEntry, LogPromise, StoredEntry, entry_not_found
from kms.log.service import TransparencyLog

ERASED: Final = "log.commitments_erased"


@dataclass(frozen=True, slots=True)
class Opening:
    """HMAC-SHA256(salt, name || 0x00 || value) is the commitment; 32 bytes each."""

    name: str
    salt: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    entry: StoredEntry
    openings: tuple[Opening, ...]


@dataclass(frozen=True, slots=True)
class EraseTarget:
    """One of the two: one entry, or everything that was appended under a handle."""

    event_key: str = ""
    person: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done, once: kept for replays, so it names nobody."""

    erased_entries: int
    erase_time: datetime
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class CommitmentService:
    database: Database
    log: TransparencyLog
    randomness: Randomness
    _replays: Replays[Erasure] = field(default_factory=lambda: Replays(Erasure))

    async def open(self, tenant: str, event_key: str) -> Opened:
        """The salts of a published entry of this tenant; none for an entry without commitments.

        Raises NotFound/LOG_ENTRY_NOT_FOUND, also for another tenant's; FailedPrecondition/COMMITMENT_ERASED.
        """
        size = (await self.log.checkpoint()).head.size
        return await self.database.read(lambda tx: _opened(tx, tenant, event_key, size))

    async def erase(
        self, tenant: str, target: EraseTarget, *, reason: str, request: RequestKey, now: datetime
    ) -> tuple[Erasure, bool]:
        """Destroys salts and says so in the log, in one transaction; and whether this is a replay.

        The log gets commitments to handle and reason. `request`: without the handle, which its fingerprint would tell
        to who guesses; a replay is held against the commitment instead.
        Raises NotFound/LOG_ENTRY_NOT_FOUND, AlreadyExists/REQUEST_ID_REUSED.
        """

        def act(tx: Connection) -> tuple[Erasure, bool]:
            if (earlier := self._replays.find(tx, request)) is not None:
                _check_same(tx, tenant, earlier, _facts(target, reason))
                return earlier, True
            erasure = self._erase(tx, tenant, target, reason, now)
            self._replays.store(tx, request, erasure, now)
            return erasure, False

        erasure, replayed = await self.database.write(act)
        await self.database.drop_overwritten()  # also when replayed: a crash may have come in between
        await self.log.confirm(erasure.promise, published=False)
        return erasure, replayed

    def _erase(self, tx: Connection, tenant: str, target: EraseTarget, reason: str, now: datetime) -> Erasure:
        details: dict[str, Json] = {}
        if target.person:
            erased = openings_store.erase_person(tx, tenant, target.person)
        else:
            erased = openings_store.erase_entry(tx, tenant, target.event_key)
            if not erased:
                _check_is_theirs(tx, tenant, target.event_key)
            details["of"] = target.event_key
        details["erased_entries"] = erased
        key, subject = new_id(now, self.randomness), str(TenantName(tenant))
        entry = LogEntry(key, ERASED, tenant, subject, now, details)
        promise = record_with_facts(tx, self.log, entry, _facts(target, reason), self.randomness)
        return Erasure(erased, now, promise)


def _facts(target: EraseTarget, reason: str) -> dict[str, str]:
    """What the log commits to."""
    return {name: value for name, value in (("person", target.person), ("reason", reason)) if value}


def _check_same(tx: Connection, tenant: str, earlier: Erasure, facts: Mapping[str, str]) -> None:
    """As far as the salts of the first call exist. Raises AlreadyExists/REQUEST_ID_REUSED."""
    salts = openings_store.find_salts(tx, tenant, [earlier.promise.event_key]).get(earlier.promise.event_key)
    commitments = parse_entry(earlier.promise.entry).commitments
    if salts is not None and not matches(Committed(commitments, salts), facts):
        raise AlreadyExists(
            Reason.REQUEST_ID_REUSED,
            "this request_id was used for another erasure; make a new UUID for each call",
            field="request_id",
        )


def _opened(tx: Connection, tenant: str, event_key: str, size: int) -> Opened:
    stored = published_entry(tx, event_key, size)
    entry = parse_entry(stored.data)
    if entry.tenant != tenant:
        raise entry_not_found(f"entry {event_key}")
    salts = openings_store.find_salts(tx, tenant, [event_key]).get(event_key, {})
    if entry.commitments and not salts:
        raise FailedPrecondition(
            Reason.COMMITMENT_ERASED,
            f"the salts of entry {event_key} were erased: nothing opens its commitments any more",
            resource=event_key,
        )
    return Opened(stored, tuple(Opening(name, salt, entry.commitments[name]) for name, salt in sorted(salts.items())))


def _check_is_theirs(tx: Connection, tenant: str, event_key: str) -> None:
    """An entry without salts: erased already, or never with any. Raises NotFound."""
    index = store.find_index(tx, event_key)
    found = [] if index is None else store.read_entries(tx, index, index + 1)
    if not found or json.loads(found[0].data)["tenant"] != tenant:
        raise entry_not_found(f"entry {event_key}")
