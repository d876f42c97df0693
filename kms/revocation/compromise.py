"""A report that secrets may be known: the versions stop at once, are revoked, and the key gets a fresh primary version.

Hop by hop: (1) one transaction without the HSM: the versions are COMPROMISED and sign no more, the report stands in its
table and in the log; (2) a revocation for each version, signed and told to everybody who watches; (3) a rotation, when
the primary version was among them: a key that an operator stopped stays stopped; (4) one transaction: the answer for
replays, the report is done. Killed anywhere after (1), a retry with the same request_id goes on there, and so does
`resume` without any caller.
"""

import logging
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.call import Call
from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.errors import Aborted, ServiceError, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.events.model import InitiatingEntity
from kms.keys import store as key_store
from kms.keys.compromise_port import CompromiseOutcome
from kms.keys.journal import changed_meanwhile
from kms.keys.lifecycle import revoked
from kms.keys.model import Key, KeyPurpose
from kms.keys.rotation import RotationService
from kms.log.model import LogPromise
from kms.revocation import compromise_store as store
from kms.revocation.compromise_store import Report
from kms.revocation.model import RevocationReason, effective_from
from kms.revocation.service import RevocationService

_logger = logging.getLogger(__name__)
_ABANDONED = timedelta(seconds=60)
"""A report that is older and not done is nobody's: its caller's deadline is over."""
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CompromiseAnswer:
    """What ReportKeyCompromise remembers; the key is read afresh."""

    key: str
    revocations: tuple[str, ...]
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class CompromiseService:
    """A kms.keys.compromise_port.CompromiseReporter."""

    rotation: RotationService
    revocations: RevocationService
    _replays: Replays[CompromiseAnswer] = field(default_factory=lambda: Replays(CompromiseAnswer))

    async def report(
        self,
        name: KeyName | KeyVersionName,
        *,
        compromise_time: datetime | None,
        request: RequestKey,
        call: Call,
        published: bool,
    ) -> CompromiseOutcome:
        database, now = self.rotation.keys.database, call.now
        since = effective_from(compromise_time, now, field="compromise_time")

        def begin(tx: Connection) -> CompromiseAnswer | Report:
            earlier = self._replays.find(tx, request) or store.find_report(tx, request)
            return earlier or self._begin(tx, name, since, request, call)

        begun = await database.write(begin)
        if isinstance(begun, CompromiseAnswer):
            return await self._outcome(begun, published=published, replayed=True)
        answer = await self._carry_out(begun, now)
        return await self._outcome(answer, published=published, replayed=False)

    async def resume(self, now: datetime) -> int:
        """Carries out what its callers gave up; gives how many reports are done now."""
        done = 0
        for report in await self.rotation.keys.database.read(lambda tx: store.unfinished(tx, now - _ABANDONED, now)):
            try:
                await self._carry_out(report, now)
                done += 1
            except (HsmError, ServiceError) as error:
                _logger.warning("the compromise of %s is not fully carried out yet: %s", report.key, error)
        return done

    def _begin(
        self, tx: Connection, name: KeyName | KeyVersionName, since: datetime, request: RequestKey, call: Call
    ) -> Report:
        key_name = name.key_name if isinstance(name, KeyVersionName) else name
        key = key_store.find_key(tx, key_name)
        if key is None or key.purpose is KeyPurpose.SERVICE:
            raise not_found(str(name))
        numbers = [name.version] if isinstance(name, KeyVersionName) else [v.name.version for v in key.versions]
        after = revoked(key, numbers, compromised=True, effective_time=since, now=call.now)
        if not key_store.save_key(tx, key, after, now=call.now):
            raise changed_meanwhile(key_name)
        details: dict[str, Json] = {"compromise_time": format_time(since), "versions": [*sorted(numbers)]}
        promise = self.rotation.keys.journal.record(tx, "key.compromise-reported", name, call.now, details)
        report = Report(
            request=request,
            key=key_name,
            versions=tuple(sorted(numbers)),
            compromise_time=since,
            initiating_entity=InitiatingEntity.of(call.caller.role),
            transaction_id=call.id,
            create_time=call.now,
            promise=promise,
            stops_primary=key.primary in numbers,
        )
        store.insert_report(tx, report)
        return report

    async def _carry_out(self, report: Report, now: datetime) -> CompromiseAnswer:
        revocations = [await self._revoke(report, number, now) for number in report.versions]
        if report.stops_primary:
            await self._give_a_primary(report, now)
        answer = CompromiseAnswer(key=str(report.key), revocations=tuple(revocations), promise=report.promise)

        def finish(tx: Connection) -> CompromiseAnswer:
            first = self._replays.find_many(tx, [report.request]).get(report.request)
            if first is None:
                self._replays.store(tx, report.request, answer, now)
            store.delete_report(tx, report.request)  # also when another call has taken its request_id meanwhile
            return first if isinstance(first, CompromiseAnswer) else answer

        return await self.rotation.keys.database.write(finish)

    async def _revoke(self, report: Report, number: int, now: datetime) -> str:
        event, _ = await self.revocations.revoke(
            KeyVersionName(report.key.tenant, report.key.key, number),
            reason=RevocationReason.KEY_COMPROMISE,
            effective_time=min(report.compromise_time, now),
            initiating_entity=report.initiating_entity,
            request=_part(report.request, f"revoke {number}"),
            transaction_id=report.transaction_id,
            now=now,
            published=False,
        )
        return str(event.revocation.name)

    async def _give_a_primary(self, report: Report, now: datetime) -> None:
        """A key that was revoked as a whole, or has a primary version, is left as it is."""
        request = _part(report.request, "rotate")
        for attempt in range(_ATTEMPTS):
            key = await self.rotation.keys.get(report.key)
            if key.primary is not None or key.revoke_time is not None:
                return
            try:
                lead = timedelta(0)
                await self.rotation.rotate(report.key, lead=lead, request=request, now=now, published=False)
            except Aborted:  # somebody changed the key meanwhile
                if attempt == _ATTEMPTS - 1:
                    raise

    async def _outcome(self, answer: CompromiseAnswer, *, published: bool, replayed: bool) -> CompromiseOutcome:
        keys = self.rotation.keys
        promise = await keys.log.confirm(answer.promise, published=published)
        key: Key = await keys.get(KeyName.parse(answer.key))
        return CompromiseOutcome(key=key, revocations=answer.revocations, promise=promise, replayed=replayed)


def _part(request: RequestKey, what: str) -> RequestKey:
    """The same step of the same report has the same request_id, whoever carries it out (UUID version 5)."""
    part = uuid.uuid5(uuid.NAMESPACE_URL, f"{request.caller} {request.request_id} {what}")
    return RequestKey(request.caller, str(part), request.fingerprint)
