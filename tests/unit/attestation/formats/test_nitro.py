"""Rules of AWS Nitro at their edges; the catalogue of the factory covers one variant for each reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from attestation import Expectation, Policy, Reason, SecurityLevel, Unchecked, verify_case
from attestation.anchors_aws import AWS_NITRO
from attestation.policy_aws import AwsNitroPolicy, ExpectedPcr
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.nitro import CHALLENGE, DEBUG_PCRS, good_case
from attestation.testing.nitro_enclave import PCRS, NitroEnclave

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def enclave() -> NitroEnclave:
    return NitroEnclave.create(now=NOW)


def verdict(enclave: NitroEnclave, rules=None, *, at=NOW, expectation=None, nonce=CHALLENGE, **fields):
    case = replace(
        good_case(enclave, now=NOW),
        evidence=enclave.attest(nonce, **fields),
        policy=Policy(aws_nitro=AwsNitroPolicy(**(rules or {}))),
        at=at,
    )
    return verify_case(case if expectation is None else replace(case, expectation=expectation))


@pytest.mark.parametrize("zero", [{0}, {1}, {2}, {0, 1, 2}])
def test_code_registers_of_zero_mean_debug(enclave, zero):
    pcrs = {index: bytes(48) if index in zero else digest for index, digest in PCRS.items()}
    found = verdict(enclave, pcrs=pcrs)
    assert found.authentic
    assert found.reasons == (Reason.DEBUG_ENCLAVE,)
    assert found.claims.debug is True
    assert verdict(enclave, {"allow_debug": True}, pcrs=pcrs).appraised


def test_other_registers_may_be_zero(enclave):
    assert verdict(enclave).claims.debug is False
    assert not any(PCRS[8])


def test_debug_comes_before_age(enclave):
    found = verdict(enclave, pcrs=DEBUG_PCRS, at=NOW + timedelta(minutes=6))
    assert found.reasons == (Reason.DEBUG_ENCLAVE, Reason.STALE_EVIDENCE)


@pytest.mark.parametrize("minutes", [-1, 0, 5])
def test_inside_the_window(enclave, minutes):
    assert verdict(enclave, at=NOW + timedelta(minutes=minutes)).appraised


def test_the_window_is_the_policys(enclave):
    late = NOW + timedelta(minutes=30)
    found = verdict(enclave, at=late)
    assert found.authentic
    assert found.reasons == (Reason.STALE_EVIDENCE,)
    assert verdict(enclave, {"max_age": timedelta(hours=1)}, at=late).appraised


def test_an_expected_register_must_be_there(enclave):
    """An expectation that the document says nothing about is not met (CVE-2025-64186 of another client)."""
    first = ExpectedPcr(0, frozenset({PCRS[0], bytes(48)}))
    assert verdict(enclave, {"pcrs": (first,)}).appraised
    without = {index: digest for index, digest in PCRS.items() if index != 0}
    assert verdict(enclave, {"pcrs": (first,)}, pcrs=without).reasons == (Reason.MEASUREMENT_MISSING,)
    both = (first, ExpectedPcr(3, frozenset({PCRS[4]})), ExpectedPcr(17, frozenset()))
    assert verdict(enclave, {"pcrs": both}).reasons == (Reason.MEASUREMENT_MISMATCH, Reason.MEASUREMENT_MISSING)


def test_a_missing_nonce_is_allowed_by_name_only(enclave):
    assert verdict(enclave, nonce=None).reasons == (Reason.CHALLENGE_MISMATCH,)
    assert verdict(enclave, nonce=b"").reasons == (Reason.CHALLENGE_MISMATCH,)
    found = verdict(enclave, {"allow_missing_nonce": True}, nonce=None)
    assert found.appraised
    assert Unchecked.CHALLENGE in found.not_checked
    other = verdict(enclave, {"allow_missing_nonce": True}, nonce=b"another")
    assert other.reasons == (Reason.CHALLENGE_MISMATCH,)


def test_the_key_to_enrol(enclave):
    key = spki_of(new_key(KeyKind.EC_P256))
    found = verdict(enclave, expectation=Expectation(CHALLENGE, key), public_key=key)
    assert found.appraised
    assert found.claims.key.spki == key
    assert Unchecked.KEY_BINDING not in found.not_checked
    assert verdict(enclave, expectation=Expectation(CHALLENGE, key)).reasons == (Reason.KEY_MISMATCH,)


def test_claims(enclave):
    found = verdict(enclave, user_data=b"data").claims
    assert found.security_level is SecurityLevel.ENCLAVE
    assert [item.name for item in found.measurements] == [f"PCR{index}" for index in range(16)]
    assert found.freshness.created_at == NOW
    assert found.freshness.challenge == CHALLENGE
    assert found.vendor_claim("user_data") == b"data".hex()
    assert found.anchor == "virtual-nitro-root"


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": 0}, {"timestamp": True}, {"timestamp": 10**18}, {"module_id": ""}, {"module_id": b"i"},
        {"pcrs": [b""]}, {"pcrs": {"0": bytes(48)}}, {"pcrs": {True: bytes(48)}}, {"pcrs": {-1: bytes(48)}},
        {"certificate": b""}, {"certificate": bytes(1025)}, {"certificate": "text"}, {"cabundle": [b""]},
        {"cabundle": b"x"}, {"cabundle": [b"x"] * 8}, {"cabundle": ["x"]}, {"nonce": "text"}, {"user_data": 1},
        {"public_key": "text"}, {"pcrs": ...}, {"timestamp": ...}, {"certificate": ...}, {"cabundle": ...},
    ],
    ids=str,
)  # fmt: skip
def test_fields_out_of_bounds(enclave, fields):
    fields = {"nonce": CHALLENGE} | fields
    assert verdict(enclave, **fields).reasons == (Reason.MALFORMED,)


def test_the_anchor_of_aws():
    (anchor,) = AWS_NITRO.items
    assert anchor.name == "aws-nitro-enclaves-root-g1"
    assert anchor.not_after > NOW
