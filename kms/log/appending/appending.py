"""Events of callers, put into the log exactly once each.

The log itself remembers them: an event's key is made from the caller and its request_id, so the same call again finds
its entry, however long ago it was, and needs no other record.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from hallmark_tlog.entry import commitment_text, commitment_to
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import AlreadyExists, InvalidArgument, Reason, ServiceError
from kms.core.identity import Caller
from kms.core.ids import check_request_id
from kms.core.randomness import Randomness
from kms.core.turns import ends_turn
from kms.log.entries import openings_store
from kms.log.entries.commitments import commit
from kms.log.errors import EntryTooLarge
from kms.log.model import LogEntry, LogPromise, Receipt, promise_of
from kms.log.rounds.sequencing import DirectEntry
from kms.log.service import TransparencyLog

_CALLER_DIGITS: Final = 16


class AppendWait(Enum):
    COMMITTED = auto()
    SEQUENCED = auto()
    PUBLISHED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a caller wants in the log. `personal` goes in as commitments; `person` is where their salts are filed."""

    event_key: str
    tenant: str
    by: str
    event_type: str
    subject: str
    facts: Mapping[str, str]
    personal: Mapping[str, str] = field(default_factory=dict)
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """`receipt` as far as the caller waited. `salts` open the commitments; missing where they were erased since."""

    promise: LogPromise
    salts: Mapping[str, bytes]
    replayed: bool
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    event: Event
    entry: DirectEntry
    salts: Mapping[str, bytes]


def event_key_of(caller: Caller, request_id: str) -> str:
    """Of the request_id first: those of version 7 lie side by side in the index. Raises InvalidArgument."""
    return f"{check_request_id(request_id)}.{_digits_of(caller.spiffe_id)}"


@lru_cache(maxsize=4096)
def _digits_of(spiffe_id: str) -> str:
    return hashlib.sha256(spiffe_id.encode()).hexdigest()[:_CALLER_DIGITS]


class AppendService:
    """Owns no table: events go where all entries go."""

    def __init__(self, database: Database, log: TransparencyLog, randomness: Randomness) -> None:
        self._database = database
        self._log = log
        self._randomness = randomness

    async def append(self, event: Event, *, now: datetime, wait: AppendWait) -> Appended:
        """Raises AlreadyExists/REQUEST_ID_REUSED, InvalidArgument/MESSAGE_TOO_LARGE, ResourceExhausted/QUEUE_FULL,
        LogFrozen, and what TransparencyLog.append raises; the event stands whatever that is.
        """
        (outcome,) = await self.append_many([event], now=now, wait=wait)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def append_many(
        self, events: Sequence[Event], *, now: datetime, wait: AppendWait
    ) -> list[Appended | ServiceError]:
        """An answer or a refusal for each, in order; one commit. Errors of the log as a whole are raised."""
        drawn: list[_Prepared | ServiceError] = []
        for number, event in enumerate(events):
            drawn.append(self._prepare(event, now))
            if ends_turn(number):
                await asyncio.sleep(0)
        good = [item for item in drawn if isinstance(item, _Prepared)]
        outcomes = iter(await self._put(good, wait) if good else ())
        return [next(outcomes) if isinstance(item, _Prepared) else item for item in drawn]

    async def _put(self, prepared: Sequence[_Prepared], wait: AppendWait) -> list[Appended | ServiceError]:
        first: dict[str, _Prepared] = {}
        for item in prepared:
            first.setdefault(item.event.event_key, item)
        earlier, receipts = await self._log.append(
            [item.entry for item in first.values()], published=wait is AppendWait.PUBLISHED
        )
        twins = [item for item in prepared if first[item.event.event_key] is not item]
        known = {item.event.event_key: first[item.event.event_key].entry.promise.entry for item in twins}
        known |= {key: found.data for key, found in earlier.items()}  # before which even the first twin is a repetition
        salts = await self._salts(prepared, known) if known else {}
        return [
            _replay(item, known[key], salts.get(key, {}), receipts.get(key))
            if key in earlier or first[key] is not item
            else Appended(item.entry.promise, item.salts, replayed=False, receipt=receipts[key])
            for item in prepared
            for key in (item.event.event_key,)
        ]

    def _prepare(self, event: Event, now: datetime) -> _Prepared | ServiceError:
        committed = commit(event.personal, self._randomness) if event.personal else None
        entry = LogEntry(
            event_key=event.event_key,
            event_type=event.event_type,
            tenant=event.tenant,
            subject=event.subject,
            time=now,
            details=_details(event),
            commitments=committed.commitments if committed else {},
        )
        try:
            promise = promise_of(event.event_key, entry.encode())
        except EntryTooLarge as error:
            return InvalidArgument(Reason.MESSAGE_TOO_LARGE, str(error), field="details")
        if committed is None:
            return _Prepared(event, DirectEntry(promise), {})
        rows = openings_store.openings(event.event_key, committed.salts, tenant=event.tenant, person=event.person)
        return _Prepared(event, DirectEntry(promise, rows), committed.salts)

    async def _salts(self, prepared: Sequence[_Prepared], known: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
        """Of earlier entries that hold commitments, as far as they were not erased."""
        tenants = {item.event.event_key: item.event.tenant for item in prepared if item.salts}
        keys = [key for key in known if key in tenants]
        if not keys:
            return {}
        tenant = tenants[keys[0]]
        return await self._database.read(lambda tx: openings_store.find_salts(tx, tenant, keys))


def _details(event: Event) -> dict[str, Json]:
    return {"by": event.by, "facts": dict(event.facts)}


def _replay(
    item: _Prepared, stored: bytes, salts: Mapping[str, bytes], receipt: Receipt | None
) -> Appended | ServiceError:
    """The same event gets its entry; another one under the same request_id is refused.

    Facts about people are compared through their salts; where those were erased nothing is left to compare.
    """
    event, entry = item.event, json.loads(stored)
    same = (
        (entry["type"], entry["tenant"], entry["subject"]) == (event.event_type, event.tenant, event.subject)
        and entry["details"] == _details(event)
        and _opens(entry, item, salts)
    )
    if not same:
        return AlreadyExists(
            Reason.REQUEST_ID_REUSED,
            "this request_id appended another event before; make a new one for each event",
            field="request_id",
        )
    return Appended(promise_of(event.event_key, stored), salts, replayed=True, receipt=receipt)


def _opens(entry: Mapping[str, Any], item: _Prepared, salts: Mapping[str, bytes]) -> bool:
    """`item` commits to the same names, and its values open those commitments whose salts exist."""
    personal, ours = item.event.personal, json.loads(item.entry.promise.entry).get("commitments", {})
    theirs = entry.get("commitments", {})
    return ours.keys() == theirs.keys() and all(
        hmac.compare_digest(commitment_text(commitment_to(name, personal[name], salt)), theirs[name])
        for name, salt in salts.items()
    )
