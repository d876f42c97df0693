"""Edge rules of WebAuthn that the catalogue does not show: what is not signed, claims, metadata, odd signatures."""

from dataclasses import replace
from datetime import UTC, datetime

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation import Anchors, EvidenceError, Reason, SecurityLevel, TrustAnchor, Unchecked, verify_case
from attestation.authenticator_data import Flag
from attestation.formats.webauthn_registration import parse_client_data
from attestation.formats.webauthn_signature import check_statement_signature, hash_of
from attestation.testing import asn1, fido_metadata
from attestation.testing.authenticator import credential_spki
from attestation.testing.webauthn import CHALLENGE, KEYS, STRICT, Bench, case_of, evidence_of
from attestation.testing.webauthn_authenticator import AAGUID, CeremonyState, VirtualMakers
from attestation.testing.webauthn_statements import self_attested
from attestation.x509 import parse_certificate

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(VirtualMakers.create(now=NOW))


def claims_of(bench, kind, **how):
    return verify_case(case_of(bench, evidence_of(bench, kind, **how))).claims


def test_claims_of_a_security_key(bench):
    claims = claims_of(bench, "packed", state=CeremonyState(counter=9))
    assert (claims.counter, claims.freshness.challenge, claims.anchor) == (9, CHALLENGE, "virtual-keys")
    assert claims.vendor_claim("aaguid") == AAGUID.hex()
    assert claims.vendor_claim("statement") == "packed"
    assert claims.vendor_claim("user_verified") is True
    assert claims.security_level is None  # nothing in the statement says where the key lives


@pytest.mark.parametrize(
    ("kind", "level"),
    [("apple", SecurityLevel.SECURE_ENCLAVE), ("tpm", SecurityLevel.TPM), ("android-key", SecurityLevel.TEE)],
)
def test_levels(bench, kind, level):
    assert claims_of(bench, kind).security_level is level


def test_claims_of_a_phone_are_those_of_its_key_description(bench):
    claims = claims_of(bench, "android-key")
    assert claims.boot.locked
    assert claims.key.origin == "GENERATED"
    assert claims.vendor_claim("statement") == "android-key"
    assert claims.vendor_claim("provisioning") == "RKP"


def test_u2f_signs_neither_flags_nor_counter_nor_model(bench):
    """So nothing in them is believed: whoever carries the message may write what he likes there."""
    lies = CeremonyState(flags=Flag.USER_VERIFIED | Flag.BACKED_UP, counter=77)
    evidence = evidence_of(bench, "fido-u2f", state=lies)
    verdict = verify_case(case_of(bench, evidence))
    assert verdict.appraised
    assert verdict.claims.counter is None
    assert verdict.claims.vendor_claim("user_verified") is False
    verified = replace(STRICT, require_user_verification=True)
    assert verify_case(case_of(bench, evidence, verified)).reasons == (Reason.USER_NOT_VERIFIED,)
    known = replace(STRICT, aaguids=frozenset({AAGUID}))
    assert verify_case(case_of(bench, evidence, known)).reasons == (Reason.AUTHENTICATOR_NOT_ALLOWED,)


def test_nobody_vouches_for_the_model_of_self_attestation(bench):
    policy = replace(STRICT, allow_self_attestation=True, aaguids=frozenset({AAGUID}))
    evidence = evidence_of(bench, "packed", make=self_attested)
    assert verify_case(case_of(bench, evidence, policy)).reasons == (Reason.AUTHENTICATOR_NOT_ALLOWED,)


def test_what_was_not_checked_is_said(bench):
    case = case_of(bench, evidence_of(bench, "packed"), replace(STRICT, rp_ids=frozenset()))
    wanted = {Unchecked.KEY_BINDING, Unchecked.RELYING_PARTY, Unchecked.AUTHENTICATOR_STATUS}
    assert set(verify_case(case).not_checked) == wanted


def test_the_credential_key_may_be_the_one_to_enrol(bench):
    registration = bench.makers.register(CHALLENGE)
    registration, statement = self_attested(registration)
    policy = replace(STRICT, allow_self_attestation=True)
    case = case_of(bench, registration.evidence("packed", statement), policy)
    case = replace(case, expectation=replace(case.expectation, key_spki=registration.spki))
    verdict = verify_case(case)
    assert verdict.appraised
    assert Unchecked.KEY_BINDING not in verdict.not_checked


def test_metadata_says_what_the_model_is(bench):
    entry = fido_metadata.entry(AAGUID, "FIDO_CERTIFIED_L1")
    blob = fido_metadata.metadata(bench.makers.roots["metadata"], [entry], now=NOW)
    verdict = verify_case(case_of(bench, evidence_of(bench, "packed"), fido_metadata=blob))
    assert verdict.claims.vendor_claim("authenticator") == "Virtual Security Key"
    assert verdict.claims.vendor_claim("key_protection") == "hardware,secure_element"
    assert Unchecked.AUTHENTICATOR_STATUS not in verdict.not_checked


def test_a_status_may_be_tolerated_by_name(bench):
    status = "USER_KEY_PHYSICAL_COMPROMISE"
    entry = fido_metadata.entry(AAGUID, status)
    blob = fido_metadata.metadata(bench.makers.roots["metadata"], [entry], now=NOW)
    policy = replace(STRICT, tolerated_statuses=frozenset({status}))
    assert verify_case(case_of(bench, evidence_of(bench, "packed"), policy, fido_metadata=blob)).appraised


def test_a_pinned_certificate_counts_for_statements_it_signs(bench):
    """FIDO metadata and relying parties may name the very certificate of an authenticator."""
    case = case_of(bench, evidence_of(bench, "packed"))
    statement = cbor2.loads(case.evidence.parts[0].data)["attStmt"]
    spki = parse_certificate(statement["x5c"][0]).spki
    pinned = TrustAnchor("pinned", case.anchors.items[0].formats, spki, "this test", uses=frozenset({"packed"}))
    assert verify_case(replace(case, anchors=Anchors((pinned,)))).appraised


def test_signatures_written_longer_than_needed_count():
    registration, statement = self_attested(VirtualMakers.create(now=NOW).register(CHALLENGE))
    wide = asn1.sequence(*(asn1.tlv(0x02, number.to_bytes(40)) for number in decode_dss_signature(statement["sig"])))
    check_statement_signature(-7, spki=registration.spki, signature=wide, message=registration.signed)


@pytest.mark.parametrize("algorithm", [0, -65535, -257, -8, -48, -36])
def test_algorithms_that_do_not_fit_the_key(algorithm):
    spki = credential_spki(KEYS["EdDSA" if algorithm == -36 else "ES256"]())
    with pytest.raises(EvidenceError) as caught:
        check_statement_signature(algorithm, spki=spki, signature=b"\x30\x00", message=b"")
    assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


def test_only_hashing_algorithms_name_a_hash():
    assert hash_of(-257).name == "sha256"
    with pytest.raises(EvidenceError):
        hash_of(-8)


def test_client_data_with_a_byte_order_mark_and_more_members():
    found = parse_client_data(b'\xef\xbb\xbf{"type":"t","challenge":"AQI","origin":"o","crossOrigin":true,"x":{}}')
    assert (found.type, found.challenge, found.origin, found.cross_origin) == ("t", b"\x01\x02", "o", True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b'{"type":1,"challenge":"","origin":""}',
        b'{"type":"","challenge":"A","origin":""}',
        b'{"type":"","challenge":"","origin":"\\ud800"}',
    ],
)
def test_client_data_that_cannot_be_read(data):
    with pytest.raises(EvidenceError):
        parse_client_data(data)


def test_deeply_nested_client_data():
    with pytest.raises(EvidenceError):
        parse_client_data(b"[" * 15_000)
