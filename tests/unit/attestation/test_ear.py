"""Verdicts as attestation results, over the whole catalogue: consistent with the verdict, and free of identifiers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from attestation import Format, Reason, verify_case
from attestation.ar4si import Question, Tier, tier, trustworthiness_vector
from attestation.ear import PROFILE, ResultFacts, VerifierId, ear_claims
from attestation.testing import FACTORIES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FACTS = ResultFacts(
    name="tenants/t/verdicts/v",
    issuer="spiffe://test/server",
    subject="tenants/t/devices/d",
    expires_at=NOW + timedelta(hours=1),
    challenge=b"\xff\xfe\xfd",
)
VERIFIER = VerifierId("Hallmark", "1.2.3")


@pytest.mark.parametrize("form", list(FACTORIES))
def test_good_evidence_is_affirmed_or_a_warning_and_refused_evidence_contraindicated(form: Format) -> None:
    cases = [*FACTORIES[form].good(NOW), *FACTORIES[form].broken(NOW)]
    for case in cases:
        verdict = verify_case(case.case)
        claims = ear_claims(verdict, FACTS, VERIFIER)
        device = claims["submods"]["device"]
        vector = device["ear_trustworthiness_vector"]
        assert (device["ear_status"] in {"affirming", "warning"}) is verdict.appraised, case.name
        assert vector, case.name
        assert all(2 <= number <= 127 for number in vector.values()), case.name
        assert vector.keys() <= {question.value for question in Question}
        if not verdict.authentic:
            assert vector.keys() == {"instance-identity"}
            assert vector["instance-identity"] in {97, 99}
        elif not verdict.appraised:
            assert max(vector.values()) >= 32, (case.name, verdict.reasons)
        json.dumps(claims, allow_nan=False)


def test_the_claims_set_is_that_of_the_draft() -> None:
    verdict = verify_case(next(iter(FACTORIES[Format.ANDROID_KEY].good(NOW))).case)
    claims = ear_claims(verdict, FACTS, VERIFIER)
    assert claims["eat_profile"] == PROFILE == "tag:ietf.org,2026:rats/ear#04"
    assert claims["ear_verifier_id"] == {"developer": "Hallmark", "build": "1.2.3"}
    assert claims["eat_nonce"] == "__79"
    assert (claims["iat"], claims["exp"]) == (int(NOW.timestamp()), int(NOW.timestamp()) + 3600)
    device = claims["submods"]["device"]
    assert device["ear_status"] == "affirming"
    assert device["ear_appraisal_policy_ids"] == [f"sha256:{verdict.inputs.policy}"]
    assert device["hallmark_verdict"]["reasons"] == []
    assert device["ear_trustworthiness_vector"] == {
        "instance-identity": 2,
        "configuration": 2,
        "executables": 3,
        "hardware": 2,
        "storage-opaque": 2,
    }


def test_reasons_of_the_callers_own_refuse() -> None:
    verdict = verify_case(next(iter(FACTORIES[Format.ANDROID_KEY].good(NOW))).case)
    facts = ResultFacts(
        name="v", issuer="i", subject="", expires_at=NOW, challenge=b"c", own_reasons=("DEVICE_REVOKED",)
    )
    device = ear_claims(verdict, facts, VERIFIER)["submods"]["device"]
    assert device["ear_status"] == "contraindicated"
    assert device["ear_trustworthiness_vector"]["instance-identity"] == 96
    assert device["hallmark_verdict"]["reasons"] == ["DEVICE_REVOKED"]
    assert device["hallmark_verdict"]["appraised"] is False


@pytest.mark.parametrize(
    ("reason", "question", "number"),
    [
        (Reason.REVOKED, "instance-identity", 96),
        (Reason.UNLOCKED_BOOTLOADER, "configuration", 96),
        (Reason.OS_PATCH_TOO_OLD, "executables", 32),
        (Reason.UNTRUSTED_ROOT, "instance-identity", 97),
        (Reason.BAD_SIGNATURE, "instance-identity", 99),
    ],
)
def test_what_was_refused_is_told_by_its_question(reason: Reason, question: str, number: int) -> None:
    variant = next(item for item in FACTORIES[Format.ANDROID_KEY].broken(NOW) if item.reason is reason)
    assert trustworthiness_vector(verify_case(variant.case))[question] == number


def test_a_mild_policy_makes_a_warning_at_worst() -> None:
    assert tier({"configuration": 96}, appraised=True) is Tier.WARNING
    assert tier({"configuration": 2}, appraised=True) is Tier.AFFIRMING
    assert tier({}, appraised=True) is Tier.NONE
    assert tier({"configuration": 2}, appraised=False) is Tier.CONTRAINDICATED


def test_the_result_names_nothing_that_the_device_said_of_itself() -> None:
    for good in FACTORIES[Format.ANDROID_KEY].good(NOW):
        verdict = verify_case(good.case)
        text = json.dumps(ear_claims(verdict, FACTS, VERIFIER))
        device = verdict.claims.device
        for identifier in (device.serial, *device.imeis, device.model) if device else ():
            assert not identifier or identifier not in text
        assert all(serial not in text for serial in verdict.claims.certificate_serials if len(serial) > 8)
