"""One evidence to judge, with everything the judgement may use. Formats see nothing else: no clock, no network."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from attestation.model import Anchors, Collateral, Evidence, Expectation, Judgement
from attestation.policy import Policy


@dataclass(frozen=True, slots=True)
class Case:
    evidence: Evidence
    expectation: Expectation
    anchors: Anchors
    collateral: Collateral
    policy: Policy
    at: datetime


# The port behind which every vendor stands. A judge is pure; it raises EvidenceError when the bytes cannot be judged
# further, and nothing else. Findings come in the order of its documented steps, the first being the main cause.
Judge = Callable[[Case], Judgement]
