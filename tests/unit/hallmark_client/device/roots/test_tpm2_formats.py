"""The blob and the state file of a TPM root: one spelling, and any other bytes are refused with the root's own error."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hallmark_client.device.errors import RootLost
from hallmark_client.device.roots.tpm2.blob import BLOB_MAX, Conditions, Sealed, parse_blob
from hallmark_client.device.roots.tpm2.state import STATE_MAX, TpmState, UseCounter, parse_state

COUNTS = st.integers(min_value=1, max_value=2**53)
INDICES = st.integers(min_value=0x01000000, max_value=0x01FFFFFF)


@st.composite
def conditions(draw: st.DrawFn) -> Conditions:
    pcrs = tuple(sorted(draw(st.sets(st.integers(0, 23)))))
    return Conditions(
        epoch=draw(st.integers(0, 2**64 - 1)),
        deadline=draw(st.none() | st.integers(1, 2**64 - 1)),
        uses=draw(st.none() | st.integers(1, 2**32 - 1)),
        pcrs=pcrs,
        pcrs_sha256=draw(st.binary(min_size=32, max_size=32)) if pcrs else b"",
    )


BLOBS = st.builds(
    Sealed,
    conditions=conditions(),
    label=st.binary(min_size=1, max_size=64),
    public=st.binary(min_size=1, max_size=256),
    private=st.binary(min_size=1, max_size=512),
    ciphertext=st.binary(min_size=1, max_size=285),
)
BEGUN = st.builds(
    TpmState,
    index=INDICES,
    salt=st.binary(min_size=32, max_size=32),
    protected=st.booleans(),
    parent_handle=st.just(0) | st.integers(0x81000000, 0x81FFFFFF),
    parent_name=st.binary(min_size=34, max_size=34),
    uses=st.lists(st.builds(UseCounter, index=INDICES, epoch=COUNTS), max_size=4).map(tuple),
)
MADE = st.builds(
    TpmState,
    index=INDICES,
    salt=st.binary(min_size=32, max_size=32),
    protected=st.booleans(),
    parent_handle=st.just(0),
    parent_name=st.binary(min_size=34, max_size=34),
    name=st.binary(min_size=34, max_size=34),
    ak_public=st.binary(min_size=1, max_size=128),
    ak_private=st.binary(min_size=1, max_size=128),
)
A_STATE = TpmState(index=0x01800000, salt=bytes(32), protected=False, parent_handle=0, parent_name=bytes(34))


@given(BLOBS)
def test_a_blob_reads_back(blob: Sealed) -> None:
    data = blob.to_bytes()
    assert len(data) <= BLOB_MAX
    assert parse_blob(data) == blob


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"HMT2\x01" + bytes(24) + rest))
@example(b"HMT2\x01" + bytes(24))
@example(bytes(BLOB_MAX + 1))
def test_any_bytes_are_a_blob_or_refused(data: bytes) -> None:
    try:
        blob = parse_blob(data)
    except RootLost:
        return
    assert blob.to_bytes() == data


@given(BLOBS, st.data())
def test_a_cut_or_longer_blob_is_none(blob: Sealed, data: st.DataObject) -> None:
    whole = blob.to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    for other in (whole[:cut], whole + b"\0"):
        with pytest.raises(RootLost):
            parse_blob(other)


@given(BEGUN | MADE)
def test_a_state_reads_back(state: TpmState) -> None:
    assert parse_state(state.to_bytes()) == state


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(bytes(STATE_MAX + 1))
@example(b"{}")
@example(b"[]")
def test_any_other_bytes_are_no_state(data: bytes) -> None:
    with pytest.raises(RootLost, match="not the file of a TPM root"):
        parse_state(data)


@given(MADE, st.data())
def test_a_changed_state_is_refused_or_another(state: TpmState, data: st.DataObject) -> None:
    whole = bytearray(state.to_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(RootLost):
        assert parse_state(bytes(whole)) != state


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"protected":false', b'"protected":0'),
        (b'"index":25165824', b'"index":25165824.0'),
        (b'"index":25165824', b'"index":2164260864'),  # a persistent object is no NV index
        (b'"index":25165824', b'"index":true'),
        (b'"handle":0', b'"handle":1'),
        (b'"uses":[]', b'"uses":[{"epoch":1,"index":1}]'),
        (b'"uses":[]', b'"uses":{}'),
        (b'"uses":[]', b'"uses":[],"more":1'),
        (b'"salt":"AAAA', b'"salt":"AAA'),
        (b'"name":""', b'"name":"AAAA"'),
        (b'"private":""', b'"private":"AAAA"'),
        (b"root-v1", b"root-v2"),
    ],
)
def test_a_state_with_one_thing_wrong(written: bytes, instead: bytes) -> None:
    whole = A_STATE.to_bytes()
    assert whole.count(written) >= 1
    with pytest.raises(RootLost, match="not the file of a TPM root"):
        parse_state(whole.replace(written, instead, 1))


def test_the_authorization_value_depends_on_the_file_and_the_caller() -> None:
    other = TpmState(index=0x01800000, salt=bytes(31) + b"1", protected=False, parent_handle=0, parent_name=bytes(34))
    values = {bytes(state.auth_value(auth)) for state in (A_STATE, other) for auth in (b"", b"1234")}
    assert len(values) == 4
    assert {len(value) for value in values} == {32}
