"""The files an auditor keeps and hands on: any bytes are read, or refused with FormatError; one spelling each."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark_tlog.audit_state import AuditState, parse_audit_state
from hallmark_tlog.errors import FormatError
from hallmark_tlog.evidence_pack import EvidencePack, parse_pack
from hallmark_tlog.fork_evidence import parse_evidence

HASHES = st.binary(min_size=32, max_size=32)


@st.composite
def states(draw: st.DrawFn) -> AuditState:
    entries = draw(st.integers(0, 2**63 - 1))
    count = entries.bit_count()
    return AuditState(
        entries, tuple(draw(st.lists(HASHES, min_size=count, max_size=count))), draw(st.binary(min_size=1))
    )


PACKS = st.builds(EvidencePack, *[st.binary(max_size=100)] * 6)


def mutated(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for position, value in edits:
        if changed:
            changed[position % len(changed)] = value
    return bytes(changed)


EDITS = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=4)


@given(states())
def test_a_state_survives_its_file(state: AuditState) -> None:
    assert parse_audit_state(bytes(state)) == state


@given(st.one_of(st.binary(), st.builds(mutated, states().map(bytes), EDITS)))
def test_any_bytes_are_a_state_in_its_one_spelling_or_refused(data: bytes) -> None:
    try:
        state = parse_audit_state(data)
    except FormatError:
        return
    assert bytes(state) == data


@settings(max_examples=200)
@given(st.one_of(st.binary(), st.builds(mutated, PACKS.map(bytes), EDITS)))
def test_any_bytes_are_a_pack_in_its_one_spelling_or_refused(data: bytes) -> None:
    try:
        pack = parse_pack(data)
    except FormatError:
        return
    assert bytes(pack) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["size", "root", "proof", "note", "seen_at"]), inner)
    ),
    max_leaves=12,
)
DOCUMENTS = st.fixed_dictionaries({"format": st.just("hallmark-fork-evidence/v1"), "notes": JSON, "prefix": JSON})


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass")), DOCUMENTS))
def test_any_bytes_are_evidence_or_refused(data: object) -> None:

    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    try:
        evidence = parse_evidence(content)
    except FormatError:
        return
    assert parse_evidence(bytes(evidence)) == evidence
