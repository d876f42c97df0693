import json
from dataclasses import replace

import pytest

from attestation import Expectation, verdict_to_dict
from attestation.claims import DeviceIdentity
from attestation.testing import good_case
from attestation.verify import verify_case

IDENTITY = DeviceIdentity(
    brand="b", model="m", serial="SERIAL7", imeis=("350000000000001", "350000000000002"), meid="M7"
)


@pytest.fixture
def verdict(vendor, phone, now):
    return verify_case(good_case(vendor, phone.changed(identity=IDENTITY), now=now))


def test_it_is_plain_json(verdict):
    report = verdict_to_dict(verdict)
    assert json.loads(json.dumps(report)) == report
    assert report["authentic"] is True
    assert report["reasons"] == []
    assert report["claims"]["boot"]["locked"] is True
    assert report["claims"]["versions"]["os"] == 160000
    assert report["verified_at"] == "2026-11-20T12:00:00+00:00"


def test_device_identifiers_are_left_out_unless_asked_for(verdict):
    assert verdict.claims.device == IDENTITY
    quiet, full = json.dumps(verdict_to_dict(verdict)), json.dumps(verdict_to_dict(verdict, identifiers=True))
    for secret in (IDENTITY.serial, *IDENTITY.imeis, IDENTITY.meid, *verdict.claims.certificate_serials[1:]):
        assert secret in full
        assert secret not in quiet


def test_refusals_carry_code_and_sentence(vendor, phone, now):
    case = replace(good_case(vendor, phone, now=now), expectation=Expectation(b"x"))
    report = verdict_to_dict(verify_case(case))
    assert report["reasons"] == ["CHALLENGE_MISMATCH"]
    assert report["findings"] == [
        {"reason": "CHALLENGE_MISMATCH", "detail": "the evidence was made for another challenge"}
    ]


def test_false_and_zero_stay(vendor, phone, now):
    report = verdict_to_dict(verify_case(good_case(vendor, phone.changed(locked=False, os_version=0), now=now)))
    assert report["claims"]["boot"]["locked"] is False
    assert report["claims"]["versions"]["os"] == 0
