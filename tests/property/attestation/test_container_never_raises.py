"""Containers of anything: evidence or an EvidenceError, whatever the bytes, quickly."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import Evidence, EvidenceError, Format, verify_case
from attestation.container import read_collection, read_evidence
from attestation.evidence_json import to_json
from attestation.testing import FACTORIES

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CASES = {form: next(iter(factory.good(NOW))).case for form, factory in FACTORIES.items()}
FIRST_TAG = 1668546817

quick = settings(max_examples=60, deadline=1000, suppress_health_check=[HealthCheck.too_slow])

CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=70) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-5, 40) | st.text(max_size=9), inner),
    max_leaves=12,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["format", "parts", "attestation", "assertion", "assertionClientData", "keyId", "attestationObject", "response",
     "clientDataJSON", "tpms_attest", "tpmt_signature", "raw_signature", "signature_alg", "hcl_report", "pcrs",
     "event_log", "ak_name", "intermediates", "evidence", "certificate", "__cmwc_t", "vcek_der", "td_quote"]
)  # fmt: skip


def read(data: bytes) -> Evidence | None:
    with suppress(EvidenceError):
        return read_evidence(data)
    return None


@quick
@given(data=st.binary(max_size=300) | CBOR.map(cbor2.dumps) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything(data):
    read(data)
    with suppress(EvidenceError):
        read_evidence(b"{}", attachments=[data])
    with suppress(EvidenceError):
        read_collection(data)


@quick
@given(
    members=st.dictionaries(MEMBERS, JSON | st.sampled_from(["AAAA", "", "/1RD", {"sha256": {"1": "00"}}]), max_size=5)
)
def test_objects_with_members_that_count(members):
    read(json.dumps(members).encode())


@quick
@given(content=CBOR, tag=st.integers(FIRST_TAG + 270, FIRST_TAG + 280), kind=CBOR, indicator=st.integers(-1, 20))
def test_wrappers_of_anything(content, tag, kind, indicator):
    inner = cbor2.dumps(content)
    for wrapped in (cbor2.CBORTag(tag, content), [kind, inner, indicator], {"a": [kind, inner]}, {"__cmwc_t": content}):
        with suppress(TypeError):  # cbor2 cannot write every key
            read(cbor2.dumps(wrapped))


@quick
@given(data=st.data(), form=st.sampled_from(Format))
def test_evidence_with_bytes_changed_is_never_accepted_as_something_else(data, form):
    """Whatever comes out of a container that was changed, its own judge has the last word."""
    case = CASES[form]
    part = data.draw(st.integers(0, len(case.evidence.parts) - 1))
    original = case.evidence.parts[part].data
    at = data.draw(st.integers(0, max(len(original) - 1, 0)))
    changed = original[:at] + data.draw(st.binary(max_size=4)) + original[at:]
    found = read(changed)
    if found is not None and found != read(original):
        verdict = verify_case(replace(case, evidence=found))
        assert not verdict.authentic or found.format is form


@quick
@given(form=st.sampled_from(Format))
def test_own_form_is_exact(form):
    assert read(json.dumps(to_json(CASES[form].evidence)).encode()) == CASES[form].evidence
