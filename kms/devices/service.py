"""Use cases of devices: challenge, attest, read.

AttestDevice, hop by hop: (1) one write transaction consumes the challenge, once only; (2) no transaction: the evidence
is judged, as of one `now`; (3) one write transaction: verdict, device when the verdict is positive, log entry (refusals
too), answer for replays. The judgement is stored before anybody hears of it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from attestation.model import Evidence, Expectation, Verdict
from kms.core.database import Database
from kms.core.errors import not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.devices import store
from kms.devices.model import (
    CHALLENGE_BYTES,
    AttestAnswer,
    Challenge,
    Device,
    DeviceState,
    DeviceVerdict,
    attested_key,
    describe,
    device_name,
    log_details,
)
from kms.devices.verification import Verifier
from kms.log.model import LogEntry
from kms.log.service import TransparencyLog

CHALLENGES_KEPT = timedelta(days=1)
"""So long a late caller is told that its challenge has expired; afterwards it is unknown."""


@dataclass(slots=True, kw_only=True)
class DeviceService:
    database: Database
    verifier: Verifier
    log: TransparencyLog
    randomness: Randomness
    challenge_lifetime: timedelta
    _challenges: Replays[Challenge] = field(default_factory=lambda: Replays(Challenge))
    _answers: Replays[AttestAnswer] = field(default_factory=lambda: Replays(AttestAnswer))

    async def create_challenge(self, tenant: str, *, request: RequestKey, now: datetime) -> Challenge:
        """Fresh for each request_id, for this caller only."""
        fresh = Challenge(
            name=ChildName(tenant, "challenges", new_id(now, self.randomness)),
            value=self.randomness.bytes(CHALLENGE_BYTES),
            expire_time=now + self.challenge_lifetime,
        )

        def commit(tx: Connection) -> Challenge:
            if (earlier := self._challenges.find(tx, request)) is not None:
                return earlier
            store.purge_challenges(tx, expired_before=now - CHALLENGES_KEPT)
            store.insert_challenge(tx, fresh, caller=request.caller)
            self._challenges.store(tx, request, fresh, now)
            return fresh

        return await self.database.write(commit)

    async def attest(
        self,
        challenge: ChildName,
        evidence: Evidence,
        *,
        key_spki: bytes | None,
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[AttestAnswer, bool]:
        """The verdict, the device it enrolled or refreshed, and whether this is a replay.

        Raises not-found for an unknown challenge, FailedPrecondition for a used or expired one. A refusal of the
        evidence is an answer.
        """

        def consume(tx: Connection) -> AttestAnswer | bytes:
            return self._answers.find(tx, request) or store.consume_challenge(
                tx, challenge, caller=request.caller, attempt=request.fingerprint, now=now
            )

        consumed = await self.database.write(consume)
        if isinstance(consumed, AttestAnswer):
            return await self._confirmed(consumed, published=published), True
        expectation = Expectation(challenge=consumed, key_spki=key_spki)
        verdict = await self.verifier.judge(evidence, expectation, now=now)
        name = ChildName(challenge.tenant, "verdicts", new_id(now, self.randomness))

        def commit(tx: Connection) -> tuple[AttestAnswer, bool]:
            if (earlier := self._answers.find(tx, request)) is not None:
                return earlier, True
            answer = self._settle(tx, name, verdict, evidence=evidence, expectation=expectation)
            self._answers.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self.database.write(commit)
        return await self._confirmed(answer, published=published), replayed

    async def get(self, name: ChildName) -> Device:
        device = await self.database.read(lambda tx: store.find_device(tx, name))
        if device is None:
            raise not_found(str(name))
        return device

    def _settle(
        self, tx: Connection, name: ChildName, verdict: Verdict, *, evidence: Evidence, expectation: Expectation
    ) -> AttestAnswer:
        """Writes verdict, device and log entry."""
        key_spki = attested_key(verdict)
        target = None if key_spki is None else device_name(name.tenant, key_spki)
        known = None if target is None else store.find_device(tx, target)
        stored = describe(verdict, name, revoked=known is not None and known.state is DeviceState.REVOKED)
        store.insert_verdict(tx, stored, evidence, expectation)
        device = None
        if stored.appraised and target is not None and key_spki is not None:
            device = store.enrol(tx, target, key_spki=key_spki, verdict=stored, now=verdict.verified_at)
        return AttestAnswer(verdict=stored, device=device, promise=self.log.record(tx, _log_entry(stored)))

    async def _confirmed(self, answer: AttestAnswer, *, published: bool) -> AttestAnswer:
        return replace(answer, promise=await self.log.confirm(answer.promise, published=published))


def _log_entry(verdict: DeviceVerdict) -> LogEntry:
    event_type = "device.attested" if verdict.appraised else "device.refused"
    name = verdict.name
    return LogEntry(name.id, event_type, name.tenant, str(name), verdict.verify_time, log_details(verdict))
