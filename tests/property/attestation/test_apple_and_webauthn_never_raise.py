"""Whatever an app or a browser sends: a verdict, never an exception, and no refusal becomes an acceptance."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import AttestationError, Part, verify_case
from attestation.authenticator_data import parse_authenticator_data
from attestation.ber import definite
from attestation.cms import parse_signed_data
from attestation.cose_key import parse_cose_key
from attestation.fido_metadata import parse_metadata
from attestation.formats.apple_receipt import parse_receipt
from attestation.formats.webauthn_registration import parse_client_data
from attestation.testing import apple, apple_assertions, fido_metadata, webauthn
from attestation.testing.authenticator import cose_map
from attestation.testing.webauthn_authenticator import VirtualMakers
from support.mutations import mutated

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
APPLE = apple.Bench.create(NOW)
WEB = webauthn.Bench(VirtualMakers.create(now=NOW))
CASES = {
    "app attest": apple.case_of(APPLE, APPLE.app.attest(apple.CLIENT_DATA)),
    "app assertion": next(apple_assertions.good(NOW)).case,
    **{kind: webauthn.case_of(WEB, webauthn.evidence_of(WEB, kind)) for kind in webauthn.KINDS},
}
RECEIPT = APPLE.app.write_receipt(b"certificate", apple.CLIENT_DATA)
BLOB = fido_metadata.write_blob(WEB.makers.roots["metadata"], [fido_metadata.entry(b"a" * 16, "REVOKED")], now=NOW)
REGISTRATION = WEB.makers.register(webauthn.CHALLENGE)

quick = settings(max_examples=100, deadline=1000, suppress_health_check=[HealthCheck.too_slow])


def with_part(case, index, data):
    parts = list(case.evidence.parts)
    parts[index] = Part(parts[index].name, data)
    return replace(case, evidence=replace(case.evidence, parts=tuple(parts)))


# U2F signs neither flags, counter nor AAGUID: what is accepted then says nothing of them.
UNSIGNED = {"fido-u2f": range(32, 53)}


def proves_the_same(name: str, before: bytes, after: bytes) -> bool:
    """Both decode to one statement, but for the bytes that the kind of statement leaves unsigned."""
    first, second = cbor2.loads(before), cbor2.loads(after)
    if name in UNSIGNED:
        for content in (first, second):
            data = bytearray(content["authData"])
            for index in UNSIGNED[name]:
                data[index] = 0
            content["authData"] = bytes(data)
    if name == "app assertion":
        return first == second
    first["attStmt"].pop("alg", None)
    second["attStmt"].pop("alg", None)
    return first["authData"] == second["authData"] and first["attStmt"].keys() <= second["attStmt"].keys()


@pytest.mark.parametrize("name", CASES)
@quick
@given(data=st.data())
def test_mutated_evidence(name, data):
    case = CASES[name]
    index = data.draw(st.integers(0, len(case.evidence.parts) - 1))
    original = case.evidence.parts[index].data
    changed = data.draw(mutated(original))
    verdict = verify_case(with_part(case, index, changed))
    assert verdict.reasons or verdict.authentic
    if verdict.authentic and changed != original:
        assert index == 0
        assert proves_the_same(name, original, changed)


@pytest.mark.parametrize("name", ["packed", "tpm", "app attest"])
@quick
@given(data=st.data())
def test_statements_of_anything(name, data):
    """Well-formed CBOR with fields of any type where a statement belongs."""
    case = CASES[name]
    content = cbor2.loads(case.evidence.parts[0].data)
    anything = st.one_of(st.none(), st.integers(-(2**70), 2**70), st.binary(max_size=40), st.text(max_size=8))
    values = st.one_of(anything, st.lists(anything, max_size=3))
    field = data.draw(st.sampled_from(sorted(content["attStmt"])))
    content["attStmt"][field] = data.draw(values)
    with suppress(cbor2.CBOREncodeError):
        verdict = verify_case(with_part(case, 0, cbor2.dumps(content)))
        assert not verdict.appraised or field == "receipt"


PARSERS = {
    "authenticator data": (parse_authenticator_data, REGISTRATION.data),
    "ber": (definite, RECEIPT),
    "client data": (parse_client_data, REGISTRATION.client_data),
    "cms": (parse_signed_data, RECEIPT),
    "metadata": (parse_metadata, BLOB),
    "receipt": (parse_receipt, RECEIPT),
}


@pytest.mark.parametrize("name", PARSERS)
@quick
@given(data=st.data())
def test_parsers_raise_only_their_own_error(name, data):
    parse, seed = PARSERS[name]
    value = data.draw(mutated(seed) | st.binary(max_size=300))
    with suppress(AttestationError):
        parse(value)


@quick
@given(data=st.data())
def test_cose_keys_of_anything(data):
    value = st.one_of(st.integers(-300, 300), st.binary(max_size=70), st.booleans(), st.text(max_size=4), st.none())
    fields = data.draw(st.dictionaries(st.integers(-4, 4), value, max_size=6))
    with suppress(AttestationError):
        parse_cose_key(cose_map(REGISTRATION.key) | fields)


HOSTILE = {
    "deep CBOR": b"\x81" * 60_000,
    "wide CBOR": b"\x9a\x00\xff\xff\xff" + b"\x00" * 60_000,
    "long text": b"\x7a\x7f\xff\xff\xff",
    "deep BER": b"\x30\x80" * 30_000,
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_input_takes_no_time(hostile):
    start = perf_counter()
    for case in CASES.values():
        assert not verify_case(with_part(case, 0, HOSTILE[hostile])).authentic
    content = cbor2.loads(CASES["app attest"].evidence.parts[0].data)
    content["attStmt"]["receipt"] = HOSTILE[hostile][:30_000]
    assert not verify_case(with_part(CASES["app attest"], 0, cbor2.dumps(content))).authentic
    assert perf_counter() - start < 1
