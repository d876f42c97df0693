"""The door of this package: evidence in, verdict out. Pure: the same inputs give an equal verdict for ever."""

from datetime import datetime
from typing import Final

from attestation.case import Case, Judge
from attestation.claims import Claims
from attestation.digests import digest_inputs
from attestation.errors import ArgumentError, EvidenceError
from attestation.formats import android
from attestation.model import Anchors, Collateral, Evidence, Expectation, Finding, Format, Judgement, Verdict
from attestation.policy import Policy
from attestation.reasons import authenticity

FORMATS: Final[dict[Format, Judge]] = {
    Format.ANDROID_KEY: android.judge,
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
    case = Case(evidence, expectation, anchors, collateral, policy, at)
    try:
        judgement = FORMATS[evidence.format](case)
    except EvidenceError as error:
        judgement = Judgement((Finding(error.reason, error.detail),), Claims())
    reasons = tuple(finding.reason for finding in judgement.findings)
    return Verdict(
        format=evidence.format,
        authentic=authenticity(reasons),
        appraised=not reasons,
        findings=judgement.findings,
        claims=judgement.claims,
        not_checked=judgement.not_checked,
        inputs=digest_inputs(case),
        verified_at=at,
    )
