"""A verdict as an EAT Attestation Result (EAR, draft-ietf-rats-ear-04): the claims set that relying parties read.

    {"ear_verifier_id": {"build", "developer"},
     "eat_nonce": "<base64url of the challenge>",
     "eat_profile": "tag:ietf.org,2026:rats/ear#04",
     "exp": 1732000000, "iat": 1731996400, "iss": "...",
     "submods": {"device": {
        "ear_appraisal_policy_ids": ["sha256:<policy>"],
        "ear_status": "affirming", "ear_trustworthiness_vector": {...},
        "hallmark_verdict": {"appraised", "authentic", "format", "input_sha256", "key_sha256", "name", "not_checked",
                             "reasons", "subject", "verified_at"}}}}

Signed by the caller: this module only says what there is to sign. `hallmark_verdict` is our own extension (section 3.4
of the draft lets unregistered claims stand beside the others): names and digests, nothing the device said of itself.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from attestation.ar4si import BAD, Question, Tier, tier, trustworthiness_vector
from attestation.digests import plain
from attestation.model import Verdict

PROFILE: Final = "tag:ietf.org,2026:rats/ear#04"
SUBMODULE: Final = "device"

_STATUS: Final = {
    Tier.NONE: "none",
    Tier.AFFIRMING: "affirming",
    Tier.WARNING: "warning",
    Tier.CONTRAINDICATED: "contraindicated",
}


@dataclass(frozen=True, slots=True)
class VerifierId:
    """Who judged. `developer`: who made the verifier; `build`: which version of it."""

    developer: str
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """What the caller knows beside the verdict: its name, whom it is about (a pseudonym, or empty), how long the result
    may be relied on, and reasons of its own for a refusal, such as a device that it revoked.
    """

    name: str
    issuer: str
    subject: str
    expires_at: datetime
    challenge: bytes
    key_spki_sha256: str | None = None
    own_reasons: tuple[str, ...] = ()


def ear_claims(verdict: Verdict, facts: ResultFacts, verifier: VerifierId) -> dict[str, Any]:
    """The claims set as JSON values; `iat` is the time of the verdict. Integers, strings, lists and objects only."""
    appraised = verdict.appraised and not facts.own_reasons
    vector = trustworthiness_vector(verdict)
    if facts.own_reasons and verdict.authentic:
        identity = Question.INSTANCE_IDENTITY.value
        vector[identity] = max(BAD, vector.get(identity, 0))
    return {
        "ear_verifier_id": {"developer": verifier.developer, "build": verifier.build},
        "eat_nonce": urlsafe_b64encode(facts.challenge).rstrip(b"=").decode(),
        "eat_profile": PROFILE,
        "exp": int(facts.expires_at.timestamp()),
        "iat": int(verdict.verified_at.timestamp()),
        "iss": facts.issuer,
        "submods": {
            SUBMODULE: {
                "ear_appraisal_policy_ids": [f"sha256:{verdict.inputs.policy}"],
                "ear_status": _STATUS[tier(vector, appraised=appraised)],
                "ear_trustworthiness_vector": vector,
                "hallmark_verdict": _own_claims(verdict, facts, appraised=appraised),
            }
        },
    }


def _own_claims(verdict: Verdict, facts: ResultFacts, *, appraised: bool) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "appraised": appraised,
        "authentic": verdict.authentic,
        "format": verdict.format.value,
        "input_sha256": plain(verdict.inputs),
        "name": facts.name,
        "not_checked": [item.value for item in verdict.not_checked],
        "reasons": [*facts.own_reasons, *(reason.value for reason in verdict.reasons)],
        "verified_at": verdict.verified_at.isoformat(),
    }
    if facts.subject:
        claims["subject"] = facts.subject
    if facts.key_spki_sha256 is not None:
        claims["key_sha256"] = facts.key_spki_sha256
    return claims
