"""The door of this package: evidence in, verdict out. Pure: the same inputs give an equal verdict for ever."""

from datetime import datetime
from typing import Final

from attestation.case import Case, Judge
from attestation.claims import Claims
from attestation.digests import digest_inputs
from attestation.errors import ArgumentError, EvidenceError
from attestation.formats import (
    android,
    apple_app_assertion,
    apple_app_attest,
    arm_cca,
    arm_psa,
    azure_vtpm,
    intel,
    nitro,
    nvidia_gpu,
    sev_snp,
    software,
    tpm,
    webauthn,
)
from attestation.model import Anchors, Collateral, Evidence, Expectation, Finding, Format, Judgement, Verdict
from attestation.policy import Policy
from attestation.reasons import authenticity
from attestation.rego import with_rego

FORMATS: Final[dict[Format, Judge]] = {
    Format.ANDROID_KEY: android.judge,
    Format.INTEL_SGX: intel.judge,
    Format.INTEL_TDX: intel.judge,
    Format.AMD_SEV_SNP: sev_snp.judge,
    Format.AWS_NITRO: nitro.judge,
    Format.TPM: tpm.judge,
    Format.AZURE_VTPM: azure_vtpm.judge,
    Format.APPLE_APP_ATTEST: apple_app_attest.judge,
    Format.APPLE_APP_ASSERTION: apple_app_assertion.judge,
    Format.WEBAUTHN: webauthn.judge,
    Format.ARM_PSA: arm_psa.judge,
    Format.ARM_CCA: arm_cca.judge,
    Format.NVIDIA_GPU: nvidia_gpu.judge,
    Format.SOFTWARE: software.judge,
}


def verify(
    evidence: Evidence,
    *,
    expectation: Expectation,
    anchors: Anchors,
    collateral: Collateral,
    policy: Policy,
    at: datetime,
) -> Verdict:
    """Judge evidence as of `at` (with a time zone). Never raises for what the evidence contains: bytes that cannot be
    read give a verdict with the reason MALFORMED. ArgumentError only for a time without a zone.
    """
    if at.tzinfo is None:
        raise ArgumentError("the verification time needs a time zone")
    return verify_case(Case(evidence, expectation, anchors, collateral, policy, at))


def verify_case(case: Case) -> Verdict:
    """`verify` with its arguments in one value."""
    try:
        judgement = with_rego(case, FORMATS[case.evidence.format](case))
    except EvidenceError as error:
        judgement = Judgement((Finding(error.reason, error.detail),), Claims())
    reasons = tuple(finding.reason for finding in judgement.findings)
    return Verdict(
        format=case.evidence.format,
        authentic=authenticity(reasons),
        appraised=not reasons,
        findings=judgement.findings,
        claims=judgement.claims,
        not_checked=judgement.not_checked,
        inputs=digest_inputs(case),
        verified_at=case.at,
    )
