"""Grade A2: hardware stands behind the receipt. Both ways the challenge is SHA-256 of the receipt's bytes.

(a) A TPM certifies its counter: parts nv-certify, nv-signature, nv-public (attestation.tpm_nv), by the attested key of
    the device, whose public area stands in the evidence that it enrolled with. The counter is the epoch: what was
    sealed under the lower one is dead.
(b) Fresh evidence of any format that enrols devices, about the attested key, appraised by today's policy. It says that
    this hardware, in a state the policy accepts, has made the receipt.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from attestation.errors import EvidenceError
from attestation.formats import tpm_parts
from attestation.model import Evidence, Expectation, Format
from attestation.tpm_nv import NV_CERTIFY, NV_PUBLIC, NV_SIGNATURE, check_counter
from attestation.tpm_public import TpmPublic, parse_public
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import ChildName
from kms.devices import store as device_store
from kms.devices import verdict_store
from kms.devices.findings import Standing, class_of, describe, own_reasons
from kms.devices.model import ChallengePurpose, Device, DeviceClass, attested_key
from kms.devices.rejudging import Rejudging
from kms.devices.verification import Verifier
from kms.removal.receipts import ReceiptFacts, refused

_NV_PARTS: Final = frozenset({NV_CERTIFY, NV_SIGNATURE, NV_PUBLIC})
_FIELD: Final = "receipt.evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class NvEvidence:
    """TPMS_ATTEST, TPMT_SIGNATURE and TPMS_NV_PUBLIC."""

    statement: bytes
    signature: bytes
    public: bytes


def nv_evidence(evidence: Evidence) -> NvEvidence | None:
    """None for evidence of another kind. Raises InvalidArgument for some of the parts, or others beside them."""
    names = [part.name for part in evidence.parts]
    if not _NV_PARTS & set(names):
        return None
    if evidence.format is not Format.TPM or sorted(names) != sorted(_NV_PARTS):
        sentence = f"of a TPM's counter is of format tpm and has exactly the parts {', '.join(sorted(_NV_PARTS))}"
        raise refused(sentence, field=_FIELD)
    (statement,), (signature,), (public,) = (evidence.named(name) for name in (NV_CERTIFY, NV_SIGNATURE, NV_PUBLIC))
    return NvEvidence(statement=statement, signature=signature, public=public)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceJudge:
    """Stores nothing, but reads what the device enrolled with."""

    database: Database
    verifier: Verifier
    rejudging: Rejudging

    async def check(
        self, evidence: Evidence, receipt: bytes, facts: ReceiptFacts, device: Device, *, now: datetime
    ) -> None:
        """Raises FailedPrecondition/VERDICT_REFUSED that says why, InvalidArgument for what is no evidence at all."""
        challenge = hashlib.sha256(receipt).digest()
        counter = nv_evidence(evidence)
        if counter is None:
            await self._check_fresh(evidence, challenge, device, now)
        else:
            await self._check_counter(counter, challenge, facts, device)

    async def _check_counter(self, given: NvEvidence, challenge: bytes, facts: ReceiptFacts, device: Device) -> None:
        ak = await self.database.read(lambda tx: _attested_ak(tx, device))
        if ak is None:
            raise _not_believed(f"{device.name} did not enrol with the attestation key of a TPM")
        try:
            counter = check_counter(
                statement=given.statement,
                signature=given.signature,
                nv_public=given.public,
                ak=ak,
                qualifying_data=challenge,
            )
        except EvidenceError as error:
            raise _not_believed(f"{error.reason}, {error.detail}") from error
        if counter.value != facts.epoch_after:
            raise _not_believed(f"the counter stands at {counter.value}, not at epoch_after {facts.epoch_after}")

    async def _check_fresh(self, evidence: Evidence, challenge: bytes, device: Device, now: datetime) -> None:
        if evidence.format is Format.APPLE_APP_ASSERTION:
            raise refused("is an assertion, which enrols nothing and shows no state", field=_FIELD)
        tenant = device.name.tenant
        tpm = await self.rejudging.known_of_tpm(tenant, evidence, made=None, now=now)
        expectation = Expectation(challenge, device.key_spki, None)
        judged = await self.verifier.judge(tenant, evidence, expectation, now=now, tpm=tpm)
        device_class = class_of(judged.verdict, ChallengePurpose.FIRST_BOOT, device)
        standing = Standing(target=device.name, known=device, device_class=device_class)
        verdict = describe(judged.verdict, device.name, reasons=own_reasons(judged.verdict, None, standing))
        if not verdict.appraised:
            raise _not_believed(f"{', '.join(verdict.reasons)}: {verdict.detail}")
        if attested_key(judged.verdict, device.key_spki) is None:
            raise _not_believed("it is not bound to the device's attested key")
        if device_class is DeviceClass.SOFTWARE:
            raise _not_believed("nothing but software vouches for it; without it the receipt may be graded A1")


def _attested_ak(tx: Connection, device: Device) -> TpmPublic | None:
    """The public area of the device's attested key, from the evidence that it was believed for."""
    enrolment = device_store.find_tpm_enrolment(tx, device.name)
    verdicts: list[ChildName] = [device.latest_verdict.name]
    if enrolment is not None:
        verdicts.insert(0, enrolment.activation)
    for name in verdicts:
        stored = verdict_store.find_verdict(tx, name)
        areas = () if stored is None or not stored.verdict.authentic else stored.evidence.named(tpm_parts.AK_PUBLIC)
        for area in areas:
            ak = _parsed(area)
            if ak is not None and hmac.compare_digest(ak.spki, device.key_spki):
                return ak
    return None


def _parsed(area: bytes) -> TpmPublic | None:
    try:
        ak = parse_public(area)
        return ak if ak.spki else None
    except EvidenceError:
        return None


def _not_believed(why: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.VERDICT_REFUSED, f"{_FIELD} is not believed: {why}", field=_FIELD)
