"""Whatever the bytes of quotes, certificates, event logs and collateral: a verdict, and never one that is too kind."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import Collateral, CollateralError, EvidenceError, verify_case
from attestation.crl import parse_crl
from attestation.event_log import HashId, parse_event_log
from attestation.formats.intel import collateral_key, evidence
from attestation.formats.intel_pck import SGX_EXTENSION
from attestation.formats.intel_quote import Tee, parse_quote
from attestation.intel_collateral import CollateralPieces, parse_intel_collateral
from attestation.intel_tcb import parse_qe_identity, parse_tcb_info
from attestation.pem import pem_certificates
from attestation.testing.certificates import extension
from attestation.testing.intel import LOG, MEASURED
from attestation.testing.intel_bench import Bench
from attestation.testing.intel_platform import pem, sign_raw
from attestation.testing.intel_quote import TdState
from attestation.x509 import parse_certificate
from support.mutations import mutated

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SGX, TDX = (Bench.create(tee, now=NOW) for tee in Tee)
CASES = [SGX.case(), TDX.case(), TDX.case(TDX.quote(TdState(newer=True), version=5))]
QUOTES = [case.evidence.named("quote")[0] for case in CASES]
MEASURED_CASE = TDX.case(TDX.quote(TdState(rtmrs=MEASURED)), event_log=LOG)
PIECES = TDX.collateral().intel.pieces
NAMES = ["tcb_info", "tcb_info_signature", "qe_identity", "qe_identity_signature", "pck_crl", "root_ca_crl"]
CHAINS = ["tcb_info_chain", "qe_identity_chain", "pck_crl_chain"]
EXTENSION = parse_certificate(TDX.platform.pck.chain[0]).extension(SGX_EXTENSION).value

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def same_statement(first: bytes, second: bytes) -> bool:
    """Nothing that is signed differs: only padding, or how the PEM text is written."""
    one, other = parse_quote(first), parse_quote(second)
    chains = [pem_certificates(quote.qe.pck_chain, at_most=3) for quote in (one, other)]
    return chains[0] == chains[1] and (one.signed, one.signature) == (other.signed, other.signature)


@quick
@given(data=st.data(), index=st.integers(0, len(CASES) - 1))
def test_mutated_quotes(data, index):
    changed = data.draw(mutated(QUOTES[index]))
    verdict = verify_case(replace(CASES[index], evidence=evidence(changed)))
    assert not verdict.authentic or same_statement(QUOTES[index], changed)
    assert verdict.authentic or verdict.reasons


@quick
@given(data=st.binary(max_size=700), head=st.integers(0, 60))
def test_quotes_of_anything(data, head):
    verdict = verify_case(replace(CASES[0], evidence=evidence(QUOTES[0][:head] + data)))
    assert not verdict.authentic


@quick
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_mutated_collateral(data, name):
    """What can still be read is not signed any more."""
    changed = data.draw(mutated(getattr(PIECES, name)))
    try:
        collateral = parse_intel_collateral(replace(PIECES, **{name: changed}))
    except CollateralError:
        return
    verdict = verify_case(replace(TDX.case(), collateral=Collateral(intel=collateral)))
    assert verdict.authentic is (changed == getattr(PIECES, name))


@quick
@given(data=st.data(), name=st.sampled_from(CHAINS))
def test_mutated_issuer_chains(data, name):
    changed = data.draw(mutated(getattr(PIECES, name)))
    try:
        collateral = parse_intel_collateral(replace(PIECES, **{name: changed}))
    except CollateralError:
        return
    verdict = verify_case(replace(TDX.case(), collateral=Collateral(intel=collateral)))
    same = pem_certificates(changed, at_most=4) == pem_certificates(getattr(PIECES, name), at_most=4)
    assert verdict.authentic is same


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70000) | st.text(max_size=20) | st.just("0001-01-01T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@quick
@given(data=st.data(), piece=st.sampled_from(["tcb_info", "qe_identity"]))
def test_properly_signed_nonsense(data, piece):
    """The worst case: Intel's own key signs a statement with a field of another kind."""
    document = json.loads(getattr(PIECES, piece))
    target = data.draw(st.sampled_from([document, *objects(document)]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    text = json.dumps(document).encode()
    signed = {piece: text, f"{piece}_signature": sign_raw(TDX.maker.tcb_signer.key, text)}
    with suppress(CollateralError):
        collateral = parse_intel_collateral(replace(PIECES, **signed))
        verdict = verify_case(replace(TDX.case(), collateral=Collateral(intel=collateral)))
        assert all(finding.detail for finding in verdict.findings)
        json.dumps([finding.detail for finding in verdict.findings]).encode()


def objects(value: object) -> list[dict[str, object]]:
    """All objects inside a JSON value that have fields."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [item for item in inner if isinstance(item, dict) and item]
    return found + [deeper for item in inner for deeper in objects(item)]


@quick
@given(data=st.data())
def test_platforms_that_are_not(data):
    """The PCK CA certifies an extension that is none."""
    value = data.draw(mutated(EXTENSION) | st.binary(max_size=80))
    platform = TDX.maker.platform(now=NOW, extensions=(extension(SGX_EXTENSION, value),))
    verdict = verify_case(replace(TDX, platform=platform).case())
    assert verdict.appraised or all(finding.detail for finding in verdict.findings)


@quick
@given(data=st.data())
def test_mutated_event_logs(data):
    changed = data.draw(mutated(LOG))
    quote = MEASURED_CASE.evidence.named("quote")[0]
    verdict = verify_case(replace(MEASURED_CASE, evidence=evidence(quote, event_log=changed)))
    if verdict.authentic:  # only what is not measured may differ: data behind digests, padding, the version of the log
        assert parse_event_log(changed).replay(HashId.SHA384) == parse_event_log(LOG).replay(HashId.SHA384)


PARSERS = {
    "quote": parse_quote,
    "collateral key": collateral_key,
    "event log": parse_event_log,
    "pem": lambda data: pem_certificates(data, at_most=4),
    "crl": parse_crl,
    "tcb info": parse_tcb_info,
    "identity": parse_qe_identity,
    "bundle": lambda data: parse_intel_collateral(CollateralPieces.from_bundle(data)),
    "pcs answer": lambda data: CollateralPieces.from_pcs(
        tcb_info=data, tcb_info_chain=data, qe_identity=data, qe_identity_chain=data,
        pck_crl=data, pck_crl_chain=data, root_ca_crl=data,
    ),
}  # fmt: skip
SEEDS = {
    "quote": QUOTES[2],
    "collateral key": QUOTES[0],
    "event log": LOG,
    "pem": pem(TDX.platform.pck.chain),
    "crl": PIECES.pck_crl,
    "tcb info": PIECES.tcb_info,
    "identity": PIECES.qe_identity,
    "bundle": json.dumps({name: getattr(PIECES, name).hex() for name in NAMES}).encode(),
    "pcs answer": b'{"tcbInfo":' + PIECES.tcb_info + b',"signature":"' + b"ab" * 64 + b'"}',
}


@pytest.mark.parametrize("name", PARSERS)
@quick
@given(data=st.data())
def test_parsers_raise_only_their_own_error(name, data):
    value = data.draw(mutated(SEEDS[name]) | st.binary(max_size=300))
    with suppress(EvidenceError, CollateralError):
        PARSERS[name](value)


HOSTILE = {
    "quote that announces much": QUOTES[0][:432] + b"\xff\xff\xff\xff" + bytes(60_000),
    "log of empty events": LOG[:65] + (b"\1" + bytes(15)) * 60_000,
    "log that announces much": LOG[:65] + b"\1\0\0\0\1\0\0\0\0\0\0\0\xff\xff\xff\xff",
    "deep JSON": b"[" * 200_000,
    "long number": b'{"version":' + b"9" * 200_000 + b"}",
    "PEM without end": b"-----BEGIN CERTIFICATE-----" + b"A" * 60_000,
    "many blocks": b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" * 1000,
    "spaces": b" " * 60_000 + b"x",
    "answer of braces": b'{"tcbInfo":' + b"{}" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_takes_no_time(name):
    start = perf_counter()
    for parse in PARSERS.values():
        with suppress(EvidenceError, CollateralError):
            parse(HOSTILE[name])
    assert perf_counter() - start < 2
