"""Runs the pure verification of evidence beside the event loop: it is CPU work, some milliseconds for each call.

What a verdict rests on beside the evidence comes through two ports, asked anew for every verdict:

    PolicySource      tenant -> the active Policy              (kms.appraisal; FixedPolicy: the built-in strict one)
    CollateralSource  tenant, evidence -> Anchors + Collateral (kms.collateral.source)

Both answer with frozen values of the attestation library. They are archived by SHA-256 with the verdict
(kms.devices.archive), so that it can be judged again as of its time: ReplayVerdict. When one of them changes, whoever
changed it calls `kms.devices.reappraisal.Reappraisal.reappraise(device, now)` for each device concerned.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from attestation.case import Case
from attestation.model import Anchors, Collateral, Evidence, Expectation, Verdict
from attestation.policy import Policy
from attestation.verify import verify_case
from kms.core.errors import Reason, ResourceExhausted
from kms.devices.tpm import NO_KNOWLEDGE, TpmKnowledge

WAITING_MAX = 64


class PolicySource(Protocol):
    """Never fails for want of a policy: a tenant without one of its own has the built-in strict one."""

    async def active(self, tenant: str) -> Policy:
        """The policy in force for this tenant now. Asked for every verdict: answer from memory."""


class CollateralSource(Protocol):
    """Anchors and collateral in force, and by digest those that once were."""

    async def current(self, tenant: str, evidence: Evidence) -> tuple[Anchors, Collateral]:
        """What is in force for this tenant and evidence now (Intel's is chosen by the platform that the quote names);
        how old is too old is the policy's matter. Never waits for the network. Fields of the collateral that the
        format does not read are None.
        """

    async def archived(self, kind: str, sha256: str) -> bytes:
        """The exact bytes of a piece of collateral that was in force once, by the SHA-256 (hex) that
        `attestation.digests.plain` writes for it. `kind` is the value's class: "StatusList", "Crl", "FidoMetadata", or
        "IntelCollateral" (then CBOR, an array of the nine pieces in the order of CollateralPieces). Kept as long as
        verdicts are. Raises KeyError when it is not there.
        """


@dataclass(frozen=True, slots=True)
class FixedPolicy:
    """The same policy for every tenant."""

    policy: Policy

    async def active(self, tenant: str) -> Policy:  # noqa: ARG002 - one for all
        return self.policy


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and everything it rests on."""

    case: Case
    verdict: Verdict


class Verifier:
    """One thread for all evidence, so that a flood of it leaves the rest of the service its processor."""

    def __init__(self, *, policies: PolicySource, collateral: CollateralSource) -> None:
        self._policies = policies
        self._collateral = collateral
        self._waiting = 0
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="attestation")

    async def judge(
        self,
        tenant: str,
        evidence: Evidence,
        expectation: Expectation,
        *,
        now: datetime,
        tpm: TpmKnowledge = NO_KNOWLEDGE,
    ) -> Judged:
        """By the tenant's policy and what is in force for it, and what is known here of a TPM.

        Raises ResourceExhausted/QUEUE_FULL.
        """
        anchors, collateral = await self._collateral.current(tenant, evidence)
        collateral = tpm.beside(collateral)
        policy = await self._policies.active(tenant)
        return await self.judge_case(Case(evidence, expectation, anchors, collateral, policy, now))

    async def judge_case(self, case: Case) -> Judged:
        """For a replay or a dry run. Raises ResourceExhausted/QUEUE_FULL when too many are waiting."""
        if self._waiting >= WAITING_MAX:
            raise ResourceExhausted(
                Reason.QUEUE_FULL, "too much evidence is waiting to be judged; retry", retry_after_seconds=1
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return Judged(case, await loop.run_in_executor(self._executor, verify_case, case))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)
