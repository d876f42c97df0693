"""Stored evidence under today's eyes, and the trust that rests on it.

1. By what is in force now, as of now.
2. Evidence grows old: certificates of a few weeks, documents of minutes. Where that is all that is wrong, it says
   nothing about the device. Then the evidence is judged as of its own time, with the collateral of that time and the
   policy, anchors and Android status list of today: what they say is still heard.

Statements of a TPM's AK are believed as long as the activation that enrolled the AK is: it is judged again for each of
them. So an EK that is revoked takes its AK along, and a revoked device enrols nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from attestation.case import Case
from attestation.model import Collateral, Evidence
from attestation.policy import Policy
from attestation.reasons import Reason
from kms.core.database import Database
from kms.core.errors import FailedPrecondition
from kms.core.names import ChildName
from kms.devices import store, verdict_store
from kms.devices.model import MadeCredential, TpmEnrolment, device_name
from kms.devices.replay import archived_basis, archived_document
from kms.devices.tpm import TpmKnowledge, is_activation, stating_ak
from kms.devices.verdict_store import StoredVerdict
from kms.devices.verification import CollateralSource, Judged, PolicySource, Verifier

_AGEING: Final = frozenset({Reason.EXPIRED, Reason.STALE_EVIDENCE})


@dataclass(slots=True, kw_only=True)
class Rejudging:
    """Stores nothing."""

    database: Database
    verifier: Verifier
    policies: PolicySource
    collateral: CollateralSource

    async def judge(self, stored: StoredVerdict, *, then: datetime, now: datetime, policy: Policy) -> Judged:
        """Steps 1 and 2. `then`: when the evidence was given."""
        tenant, evidence = stored.verdict.name.tenant, stored.evidence
        anchors, collateral = await self.collateral.current(tenant, evidence)
        known = await self.known_of_tpm(tenant, evidence, made=_made(stored), now=now, policy=policy)
        today = Case(evidence, stored.expectation, anchors, known.beside(collateral), policy, now)
        judged = await self.verifier.judge_case(today)
        if not judged.verdict.reasons or not set(judged.verdict.reasons) <= _AGEING:
            return judged
        return await self._as_of_its_time(stored, today, then=then) or judged

    async def known_of_tpm(
        self,
        tenant: str,
        evidence: Evidence,
        *,
        made: MadeCredential | None,
        now: datetime,
        policy: Policy | None = None,
    ) -> TpmKnowledge:
        """`made`: the credential of the challenge that this evidence answers. `policy`: not the active one."""
        ak = stating_ak(evidence)
        if ak is None:
            return TpmKnowledge(made=made if is_activation(evidence) else None)
        enrolment = await self._enrolment(device_name(tenant, ak.spki), now=now, policy=policy)
        by_this_ak = enrolment is not None and enrolment.ak_name == ak.name
        return TpmKnowledge(enrolment=enrolment if by_this_ak else None)

    async def _enrolment(self, device: ChildName, *, now: datetime, policy: Policy | None) -> TpmEnrolment | None:
        """While its activation is believed."""
        enrolment = await self.database.read(lambda tx: store.find_tpm_enrolment(tx, device))
        if enrolment is None:
            return None
        stored = await self.database.read(lambda tx: verdict_store.find_verdict(tx, enrolment.activation))
        assert stored is not None  # verdicts are kept
        judged = await self.judge(
            stored,
            then=stored.verdict.verify_time,
            now=now,
            policy=policy or await self.policies.active(device.tenant),
        )
        return enrolment if judged.verdict.appraised else None

    async def _as_of_its_time(self, stored: StoredVerdict, today: Case, *, then: datetime) -> Judged | None:
        """None when the archive is not complete: then it has grown too old to say anything good."""
        try:
            basis = await archived_basis(stored, self.collateral)
        except FailedPrecondition:
            return None
        collateral = _with_revocations_of_today(basis.collateral, today.collateral, then=then)
        return await self.verifier.judge_case(replace(today, collateral=collateral, at=then))


def _made(stored: StoredVerdict) -> MadeCredential | None:
    """The credential that evidence in the archive answered, as its verdict was given it."""
    if not is_activation(stored.evidence):
        return None
    try:
        tpm = archived_document(stored, "collateral")["tpm"] or {}
    except FailedPrecondition:
        return None
    found = [bytes.fromhex(tpm.get(f"credential_{field}") or "") for field in ("name", "ek", "sha256")]
    if not all(found):
        return None
    ak_name, ek_spki, sha256 = found
    return MadeCredential(ak_name=ak_name, ek_spki=ek_spki, sha256=sha256)


def _with_revocations_of_today(archived: Collateral, today: Collateral, *, then: datetime) -> Collateral:
    """Android's certificates live for weeks, and its status list does not say since when a key is not to be trusted:
    what is revoked today was not trustworthy when the evidence was made.
    """
    status = today.android_status
    return archived if status is None else replace(archived, android_status=replace(status, fetched_at=then))
