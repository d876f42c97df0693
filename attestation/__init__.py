"""Verification of device attestation: evidence in, verdict out, with every input and the time as arguments.

    verdict = verify(
        Evidence.android(load_chain(file_bytes)),
        expectation=Expectation(challenge, key_spki=None),
        anchors=GOOGLE,
        collateral=Collateral(android_status=parse_status_list(json_bytes, fetched_at=then)),
        policy=Policy(),
        at=now,
    )

`verdict.authentic` and `verdict.appraised` are separate answers; `verdict.reasons` says why not.
`attestation.testing` makes evidence of virtual devices for tests and demos.
"""

from attestation.anchors import GOOGLE
from attestation.claims import BootVerification, Claims, SecurityLevel
from attestation.errors import ArgumentError, AttestationError, CollateralError, EvidenceError
from attestation.evidence import load_chain
from attestation.model import (
    Anchors,
    Collateral,
    Evidence,
    Expectation,
    Finding,
    Format,
    InputDigests,
    Part,
    TrustAnchor,
    Verdict,
)
from attestation.policy import AllowedApp, AndroidPolicy, Policy, Provisioning
from attestation.reasons import Reason, Unchecked
from attestation.report import verdict_to_dict
from attestation.status import StatusList, parse_status_list
from attestation.verify import FORMATS, verify, verify_case

__all__ = [
    "FORMATS",
    "GOOGLE",
    "AllowedApp",
    "Anchors",
    "AndroidPolicy",
    "ArgumentError",
    "AttestationError",
    "BootVerification",
    "Claims",
    "Collateral",
    "CollateralError",
    "Evidence",
    "EvidenceError",
    "Expectation",
    "Finding",
    "Format",
    "InputDigests",
    "Part",
    "Policy",
    "Provisioning",
    "Reason",
    "SecurityLevel",
    "StatusList",
    "TrustAnchor",
    "Unchecked",
    "Verdict",
    "load_chain",
    "parse_status_list",
    "verdict_to_dict",
    "verify",
    "verify_case",
]
