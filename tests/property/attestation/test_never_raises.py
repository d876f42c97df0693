"""Whatever the bytes: verify() gives a verdict, parsers raise only their own error, and nothing takes long."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import (
    AttestationError,
    Evidence,
    EvidenceError,
    Provisioning,
    cbor,
    der,
    load_chain,
    parse_status_list,
)
from attestation.formats.android_key_description import KEY_DESCRIPTION, parse_key_description
from attestation.public_key import describe_key
from attestation.signatures import load_key
from attestation.testing import KeyKind, VirtualPhone, VirtualVendor, asn1, good_case
from attestation.testing.certificates import extension, new_key, spki_of
from attestation.verify import verify_case
from attestation.x509 import parse_certificate
from support.mutations import mutated

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VENDOR = VirtualVendor.create(now=NOW)
PHONE = VirtualPhone.create(VENDOR, now=NOW)
CASE = good_case(VENDOR, PHONE, now=NOW)
CHAIN = CASE.evidence.named("certificate")
DESCRIPTION = next(found for found in parse_certificate(CHAIN[0]).extensions if found.oid == KEY_DESCRIPTION).value
LEAF_SPKI = spki_of(new_key(KeyKind.EC_P256))

quick = settings(max_examples=150, deadline=1000, suppress_health_check=[HealthCheck.too_slow])


def judge(chain):
    return verify_case(replace(CASE, evidence=Evidence.android(chain)))


@quick
@given(data=st.data(), index=st.integers(0, len(CHAIN) - 1))
def test_mutated_certificates(data, index):
    changed = data.draw(mutated(CHAIN[index]))
    verdict = judge((*CHAIN[:index], changed, *CHAIN[index + 1 :]))
    assert verdict.authentic is (changed == CHAIN[index])
    assert verdict.authentic or verdict.reasons


@quick
@given(chain=st.lists(st.sampled_from(CHAIN) | st.binary(max_size=200), max_size=10))
def test_chains_of_anything(chain):
    verdict = judge(chain)
    assert verdict.authentic is (tuple(chain) == CHAIN)


@quick
@given(data=st.data())
def test_properly_signed_nonsense(data):
    """The worst case: a genuine attestation key signs a description that is not one."""
    value = data.draw(mutated(DESCRIPTION) | st.binary(max_size=200))
    leaf = PHONE.leaf(LEAF_SPKI, extension(KEY_DESCRIPTION, value))
    verdict = judge((leaf, *CHAIN[1:]))
    assert all(finding.detail for finding in verdict.findings)
    assert not verdict.authentic or parse_key_description(value).challenge == CASE.expectation.challenge


@quick
@given(data=st.data())
def test_signed_leaves_with_any_key(data):
    spki = asn1.sequence(data.draw(st.binary(max_size=100) | mutated(LEAF_SPKI)))
    judge((PHONE.leaf(spki, extension(KEY_DESCRIPTION, DESCRIPTION)), *CHAIN[1:]))


def read_everything(data: bytes) -> None:
    """Every accessor on every element, as deep as it goes."""
    pending = [der.parse(data, relaxed=True)]
    while pending:
        element = pending.pop()
        for read in (
            element.integer, element.enumerated, element.octets, element.boolean, element.bits, element.bit_flags,
            element.oid, element.time, element.null, element.sequence, element.set_of,
        ):  # fmt: skip
            try:
                read()
            except EvidenceError:
                continue
        if element.constructed:
            pending += element.children()


def read_certificate(data: bytes) -> None:
    certificate = parse_certificate(data)
    certificate.basic_constraints()
    certificate.may_sign_certificates()
    certificate.valid_between()


PARSERS = {
    "der": read_everything,
    "certificate": read_certificate,
    "key description": parse_key_description,
    "cbor": cbor.decode,
    "key": load_key,
    "key claim": describe_key,
    "file": load_chain,
    "status list": lambda data: parse_status_list(data, fetched_at=NOW),
}
SEEDS = {
    "der": DESCRIPTION,
    "certificate": CHAIN[1],
    "key description": DESCRIPTION,
    "cbor": bytes.fromhex("a301184002f50366476f6f676c65"),
    "key": LEAF_SPKI,
    "key claim": LEAF_SPKI,
    "file": b"".join(CHAIN),
    "status list": json.dumps({"entries": {"ab": {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}}).encode(),
}


@pytest.mark.parametrize("name", PARSERS)
@quick
@given(data=st.data())
def test_parsers_raise_only_their_own_error(name, data):
    value = data.draw(mutated(SEEDS[name]) | st.binary(max_size=300))
    with suppress(AttestationError):
        PARSERS[name](value)


@given(number=st.integers(-(2**70), 2**70))
def test_integers_are_written_and_read_alike(number):
    assert der.parse(asn1.integer(number)).integer() == number


HOSTILE = {
    "deep": b"\x30\x80" * 20_000,
    "nested lengths": b"".join(b"\x30\x83" + n.to_bytes(3) for n in range(60_000, 0, -5))[:60_000],
    "many elements": asn1.sequence(b"\x05\x00" * 30_000),
    "long object identifier": asn1.tlv(0x06, b"\x81" * 60_000),
    "huge integer": asn1.tlv(0x02, b"\x7f" * 60_000),
    "many extensions": CHAIN[0] + bytes(60_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_takes_no_time(name):
    start = perf_counter()
    for chain in ([HOSTILE[name]], [HOSTILE[name], *CHAIN[1:]], [PHONE.leaf(HOSTILE[name]), *CHAIN[1:]]):
        assert not judge(chain).authentic
    value = HOSTILE[name][:15_000]
    assert judge([PHONE.leaf(LEAF_SPKI, extension(KEY_DESCRIPTION, value)), *CHAIN[1:]]).reasons
    assert perf_counter() - start < 1


def test_full_bounds_are_still_fast():
    """Eight certificates, the longest chain there may be, of the slowest keys in use."""
    vendor = VirtualVendor.create(now=NOW, kind=KeyKind.RSA_2048)
    phone = VirtualPhone.create(vendor, now=NOW, provisioning=Provisioning.FACTORY, key_kind=KeyKind.ML_DSA_65)
    chain = phone.attest(b"x").named("certificate")
    start = perf_counter()
    judge([chain[0]] * 7 + [chain[-1]])
    assert perf_counter() - start < 0.5
