"""Edge rules of App Attest that the catalogue does not show: claims, receipts, what was not checked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from attestation import EvidenceError, Policy, Reason, SecurityLevel, Unchecked, verify_case
from attestation.formats.apple_attestation_object import DEVELOPMENT
from attestation.formats.apple_receipt import check_signer, parse_receipt
from attestation.policy_apple import ApplePolicy
from attestation.testing.apple import APP_ID, CLIENT_DATA, OTHER_DATA, Bench, case_of
from attestation.testing.apple_receipt import signed_data, write_receipt


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.create(datetime(2026, 11, 20, 12, tzinfo=UTC))


def receipt_of(bench, **changes) -> bytes:
    return bench.app.changed(receipt=changes).write_receipt(b"leaf", CLIENT_DATA)


def test_claims(bench):
    claims = verify_case(case_of(bench, bench.app.attest(CLIENT_DATA))).claims
    assert claims.key.spki == bench.app.spki
    assert claims.security_level is SecurityLevel.SECURE_ENCLAVE
    assert claims.counter == 0
    assert claims.freshness.challenge == CLIENT_DATA
    assert claims.anchor == "virtual-apple"
    assert claims.application.packages == ((APP_ID, 0),)
    assert claims.vendor_claim("environment") == "production"
    assert claims.vendor_claim("key_id") == bench.app.key_id.hex()
    assert claims.vendor_claim("os_versions") == "26.1"
    assert claims.vendor_claim("receipt.kind") == "ATTEST"


def test_a_challenge_that_was_not_met_is_no_claim(bench):
    case = case_of(bench, bench.app.attest(CLIENT_DATA))
    other = replace(case, expectation=replace(case.expectation, challenge=b"another"))
    assert verify_case(other).claims.freshness is None


def test_the_counter_is_that_of_the_assertion(bench):
    asserted = bench.app.sign(OTHER_DATA, counter=3), OTHER_DATA
    assert verify_case(case_of(bench, bench.app.attest(CLIENT_DATA, assertion=asserted))).claims.counter == 3


def test_what_was_not_checked_is_said(bench):
    case = case_of(bench, bench.app.changed(receipt=None).attest(CLIENT_DATA))
    verdict = verify_case(replace(case, policy=Policy()))
    assert verdict.appraised
    assert set(verdict.not_checked) == {Unchecked.KEY_BINDING, Unchecked.APP_IDENTITY, Unchecked.RECEIPT}


def test_without_anchors_for_receipts_the_receipt_is_not_checked(bench):
    case = case_of(bench, bench.app.attest(CLIENT_DATA))
    anchors = replace(case.anchors, items=case.anchors.items[:1])
    verdict = verify_case(replace(case, anchors=anchors))
    assert verdict.appraised
    assert Unchecked.RECEIPT in verdict.not_checked


def test_a_receipt_by_another_name_is_not_a_missing_one(bench):
    """Nothing signs the names in the statement."""
    evidence = bench.app.attest(CLIENT_DATA)
    data = evidence.parts[0].data.replace(b"greceipt", b"greceipu")
    renamed = replace(evidence, parts=(replace(evidence.parts[0], data=data), *evidence.parts[1:]))
    assert verify_case(case_of(bench, renamed)).reasons == (Reason.MALFORMED,)


def test_every_finding_of_an_edited_attestation_is_told(bench):
    case = case_of(bench, bench.app.changed(counter=1, nonce=bytes(32)).attest(CLIENT_DATA))
    late = replace(case, at=bench.apple.now + timedelta(days=400))
    assert verify_case(late).reasons == (Reason.NONCE_MISMATCH, Reason.COUNTER_NOT_ZERO, Reason.EXPIRED)


def test_a_receipt_with_a_risk_metric(bench):
    receipt = parse_receipt(receipt_of(bench, kind="RECEIPT", risk_metric=3))
    check_signer(receipt, (bench.apple.receipt_anchor,))
    assert (receipt.kind, receipt.risk_metric, receipt.environment) == ("RECEIPT", 3, "production")
    assert receipt.created_at == bench.apple.now


def test_the_signer_is_judged_at_the_time_of_the_receipt(bench):
    old = parse_receipt(receipt_of(bench, created_at=bench.apple.now - timedelta(days=31)))
    with pytest.raises(EvidenceError) as caught:
        check_signer(old, (bench.apple.receipt_anchor,))
    assert caught.value.reason is Reason.NOT_YET_VALID


def test_not_every_certificate_of_apple_signs_receipts(bench):
    """The mark is missing in a certificate that the same root vouches for."""
    receipt = parse_receipt(receipt_of(bench))
    unmarked = replace(receipt, signer_chain=receipt.signer_chain[1:])
    with pytest.raises(EvidenceError):
        check_signer(unmarked, (bench.apple.receipt_anchor,))


def test_every_signed_byte_of_a_receipt_counts(bench):
    receipt = receipt_of(bench)
    content_at, signature_at = receipt.index(APP_ID.encode()), len(receipt) - 20
    for index in (content_at, content_at + 5, signature_at, receipt.index(b"Virtual Receipt Signing")):
        changed = receipt[:index] + bytes([receipt[index] ^ 1]) + receipt[index + 1 :]
        with pytest.raises(EvidenceError):
            check_signer(parse_receipt(changed), (bench.apple.receipt_anchor,))


@pytest.mark.parametrize("content", [b"", b"\x31\x00", b"\x30\x00", b"\x31\x02\x30\x00"])
def test_signed_content_that_is_no_receipt(bench, content):
    with pytest.raises(EvidenceError):
        parse_receipt(signed_data(bench.apple.receipt_signer, content))


@pytest.mark.parametrize("changes", [{"kind": "\xff"}, {"risk_metric": -1}])
def test_receipts_with_values_that_are_none(bench, changes):
    fields = {"app_id": APP_ID, "certificate": b"", "client_data_hash": b"", "created_at": bench.apple.now, **changes}
    with pytest.raises(EvidenceError):
        parse_receipt(write_receipt(bench.apple.receipt_signer, **fields))


def test_development_is_refused_unless_allowed(bench):
    case = case_of(bench, bench.app.changed(aaguid=DEVELOPMENT).attest(CLIENT_DATA))
    assert verify_case(case).reasons == (Reason.DEV_ENVIRONMENT,)
    allowed = Policy(apple=ApplePolicy(allow_development=True))
    assert verify_case(replace(case, policy=allowed)).appraised
