"""Use cases of devices: challenge, attest.

AttestDevice, hop by hop: (1) one write transaction consumes the challenge, once only; (2) no transaction: the evidence
is judged, as of one `now`, the result and the device's certificate are signed; (3) one write transaction: verdict,
device when the verdict is positive, log entry (refusals too), answer for replays. The judgement is stored before
anybody hears of it. When the device changed between (2) and (3) - revoked, or its counter moved by another assertion -
nothing is written and (2) begins again. Beside it: reading.py, reappraisal.py.
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.engine import Connection

from attestation.model import Expectation
from kms.core.database import Database
from kms.core.errors import InvalidArgument, Reason, Unavailable
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.devices import challenge_store, store, verdict_store
from kms.devices.assurance_changes import regained
from kms.devices.certificates import CertificateIssuer
from kms.devices.findings import Standing, class_of, describe, own_reasons
from kms.devices.model import (
    CHALLENGE_BYTES,
    AttestAnswer,
    Challenge,
    ChallengePurpose,
    Device,
    DeviceCertificate,
    DeviceVerdict,
    SignedResult,
    attested_key,
    device_name,
    log_details,
)
from kms.devices.proofs import HpkeRegistration
from kms.devices.quota import DeviceQuota, NoQuota
from kms.devices.rejudging import Rejudging
from kms.devices.results import ResultSigner
from kms.devices.submission import Submission
from kms.devices.tpm import TpmKeys, TpmKnowledge, make_for
from kms.devices.verification import Judged, Verifier
from kms.events.model import Status
from kms.log.model import LogEntry
from kms.log.service import TransparencyLog
from kms.revocation import assurance_store
from kms.status import lists

CHALLENGES_KEPT = timedelta(days=1)
"""So long a late caller is told that its challenge has expired; afterwards it is unknown."""
ROUNDS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All that is to be written, made before the transaction."""

    judged: Judged
    tpm: TpmKnowledge
    standing: Standing
    key_spki: bytes | None
    verdict: DeviceVerdict
    result: SignedResult
    certificate: DeviceCertificate | None


class _DeviceChanged(Exception):
    """Since the decision was made."""


@dataclass(slots=True, kw_only=True)
class DeviceService:
    database: Database
    verifier: Verifier
    rejudging: Rejudging
    results: ResultSigner
    certificates: CertificateIssuer
    log: TransparencyLog
    randomness: Randomness
    challenge_lifetime: timedelta
    quota: DeviceQuota = field(default_factory=NoQuota)
    _challenges: Replays[Challenge] = field(default_factory=lambda: Replays(Challenge))
    _answers: Replays[AttestAnswer] = field(default_factory=lambda: Replays(AttestAnswer))

    async def create_challenge(
        self,
        tenant: str,
        *,
        request: RequestKey,
        now: datetime,
        purpose: ChallengePurpose = ChallengePurpose.FIRST_BOOT,
        key_spki: bytes | None = None,
        tpm: TpmKeys | None = None,
    ) -> Challenge:
        """Fresh for each request_id, for this caller, purpose and key only.

        With `tpm` it is for that TPM's AK, and goes out in a credential for this TPM alone. Raises InvalidArgument.
        """
        if tpm is not None and key_spki not in {None, tpm.ak_spki}:
            sentence = "key_spki is not the key of tpm.ak_public, which an activation attests"
            raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="key_spki")
        fresh = Challenge(
            name=ChildName(tenant, "challenges", new_id(now, self.randomness)),
            value=self.randomness.bytes(CHALLENGE_BYTES),
            expire_time=now + self.challenge_lifetime,
            purpose=purpose,
            key_spki=key_spki if tpm is None else tpm.ak_spki,
        )
        answer = fresh
        if tpm is not None:
            credential, made = make_for(tpm, fresh.value, self.randomness)
            fresh = replace(fresh, made=made)
            answer = replace(fresh, value=b"", credential=credential)

        def commit(tx: Connection) -> Challenge:
            if (earlier := self._challenges.find(tx, request)) is not None:
                return earlier
            challenge_store.purge_challenges(tx, expired_before=now - CHALLENGES_KEPT)
            challenge_store.insert_challenge(tx, fresh, caller=request.caller)
            self._challenges.store(tx, request, answer, now)
            return answer

        return await self.database.write(commit)

    async def attest(
        self, challenge: ChildName, submission: Submission, *, request: RequestKey, now: datetime, published: bool
    ) -> tuple[AttestAnswer, bool]:
        """The verdict, the device it enrolled or refreshed, and whether this is a replay.

        Raises not-found for an unknown challenge, FailedPrecondition for one that is used, expired, or made for another
        purpose or key, InvalidArgument for an HPKE key that is not signed. A refusal of the evidence is an answer.
        """

        def consume(tx: Connection) -> AttestAnswer | Challenge:
            if (earlier := self._answers.find(tx, request)) is not None:
                return earlier
            consumed = challenge_store.consume_challenge(
                tx, challenge, caller=request.caller, attempt=request.fingerprint, now=now
            )
            submission.check_made_for(consumed)
            submission.check_signed_for(consumed)
            return consumed

        consumed = await self.database.write(consume)
        if isinstance(consumed, AttestAnswer):
            return await self._confirmed(consumed, published=published), True
        key_spki = submission.key_spki or consumed.key_spki
        name = ChildName(challenge.tenant, "verdicts", new_id(now, self.randomness))
        for _ in range(ROUNDS_MAX):
            decision = await self._decide(name, submission, consumed, key_spki, now)
            try:
                answer, replayed = await self.database.write(partial(self._settle, decision, submission, request))
            except _DeviceChanged:
                continue
            return await self._confirmed(answer, published=published), replayed
        raise Unavailable(Reason.QUEUE_FULL, "this device attests many times at once; retry", retry_after_seconds=1)

    async def _decide(
        self, name: ChildName, submission: Submission, challenge: Challenge, key_spki: bytes | None, now: datetime
    ) -> Decision:
        """Judges by what is known of the device now, and signs."""
        asserting = await self._find(
            name.tenant, key_spki if submission.purpose is ChallengePurpose.ASSERTION else None
        )
        expectation = Expectation(challenge.value, key_spki, None if asserting is None else asserting.counter)
        evidence = submission.evidence
        tpm = await self.rejudging.known_of_tpm(name.tenant, evidence, made=challenge.made, now=now)
        judged = await self.verifier.judge(name.tenant, evidence, expectation, now=now, tpm=tpm)
        key = attested_key(judged.verdict, key_spki)
        known = asserting or await self._find(name.tenant, key)
        standing = Standing(
            target=None if key is None else device_name(name.tenant, key),
            known=known,
            device_class=class_of(judged.verdict, submission.purpose, known),
        )
        reasons = own_reasons(judged.verdict, submission.purpose, standing)
        verdict = describe(judged.verdict, name, reasons=reasons, device=standing.target)
        certificate = None
        if verdict.appraised and submission.wants_certificate and standing.target is not None and key is not None:
            certificate = self.certificates.issue(standing.target, key, now=now)
        return Decision(
            judged=judged,
            tpm=tpm,
            standing=standing,
            key_spki=key,
            verdict=verdict,
            result=await self.results.sign(judged, verdict, key_spki=key, now=now),
            certificate=certificate,
        )

    async def _find(self, tenant: str, key_spki: bytes | None) -> Device | None:
        if key_spki is None:
            return None
        name = device_name(tenant, key_spki)
        return await self.database.read(lambda tx: store.find_device(tx, name))

    def _settle(
        self, decision: Decision, submission: Submission, request: RequestKey, tx: Connection
    ) -> tuple[AttestAnswer, bool]:
        """Writes verdict, device and log entry. Raises _DeviceChanged, and then nothing is written."""
        if (earlier := self._answers.find(tx, request)) is not None:
            return earlier, True
        verdict, target, known = decision.verdict, decision.standing.target, decision.standing.known
        if target is not None and not _is_same(store.find_device(tx, target), known):
            raise _DeviceChanged
        enrolment = decision.tpm.enrolment
        if enrolment is not None and store.find_tpm_enrolment(tx, enrolment.device) != enrolment:
            raise _DeviceChanged
        verdict_store.insert_verdict(tx, verdict, decision.judged.case, decision.result)
        device = None
        if verdict.appraised and target is not None and decision.key_spki is not None:
            self._write_device(tx, target, decision, submission)
            device = store.find_device(tx, target)
        answer = AttestAnswer(
            verdict=verdict,
            device=device,
            promise=self.log.record(tx, _log_entry(decision, submission.hpke)),
            result=decision.result,
            certificate=decision.certificate,
        )
        self._answers.store(tx, request, answer, verdict.verify_time)
        return answer, False

    def _write_device(self, tx: Connection, target: ChildName, decision: Decision, submission: Submission) -> None:
        known, now = decision.standing.known, decision.verdict.verify_time
        before = 0 if known is None else known.counter
        counter = max(before, decision.judged.verdict.claims.counter or 0)
        if submission.purpose is ChallengePurpose.ASSERTION:
            if not store.record_assertion(tx, target, counter=counter, before=before, now=now):
                raise _DeviceChanged
            return
        assert decision.key_spki is not None
        if known is None:
            self.quota.take(tx, target.tenant)
        store.enrol(
            tx,
            target,
            key_spki=decision.key_spki,
            verdict=decision.verdict,
            device_class=decision.standing.device_class,
            counter=counter,
            hpke_key=None if submission.hpke is None else submission.hpke.key,
            activated_ak=None if decision.tpm.made is None else decision.tpm.made.ak_name,
            now=now,
        )
        lists.allocate(tx, target.tenant, str(target), self.randomness)
        lists.set_value(tx, target.tenant, str(target), Status.VALID)
        if known is not None and not known.latest_verdict.appraised:
            assurance_store.insert_note(tx, regained(known, decision.verdict, self.randomness))

    async def _confirmed(self, answer: AttestAnswer, *, published: bool) -> AttestAnswer:
        return replace(answer, promise=await self.log.confirm(answer.promise, published=published))


def _is_same(now: Device | None, before: Device | None) -> bool:
    """As far as the decision rests on it."""
    if now is None or before is None:
        return now is before
    return (now.state, now.counter, now.device_class) == (before.state, before.counter, before.device_class)


def _log_entry(decision: Decision, hpke: HpkeRegistration | None) -> LogEntry:
    """Certificates and HPKE keys are given trust with the device: their digests stand with it."""
    verdict = decision.verdict
    event_type = "device.attested" if verdict.appraised else "device.refused"
    name, details = verdict.name, log_details(verdict, decision.result)
    if verdict.appraised:
        details["device_class"] = decision.standing.device_class.value
        if decision.certificate is not None:
            details["certificate_sha256"] = hashlib.sha256(decision.certificate.certificate).hexdigest()
        if hpke is not None:
            details["hpke_key_sha256"] = hashlib.sha256(hpke.key.public_key).hexdigest()
    return LogEntry(name.id, event_type, name.tenant, str(name), verdict.verify_time, details)
