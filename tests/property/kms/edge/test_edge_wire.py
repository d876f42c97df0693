"""EdgeService's messages: what is sent comes back, and foreign bytes raise nothing but their own error."""

import contextlib
from datetime import UTC, datetime

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from hallmark.v1 import edge_pb2
from kms.core.errors import InvalidArgument
from kms.core.names import ChildName
from kms.edge import wire
from kms.events.heartbeats import Claim
from kms.events.reading import Head

_heads = st.tuples(
    st.binary(min_size=16, max_size=16), st.builds(Head, st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))
)
_nonces = st.binary(min_size=16, max_size=64)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    tenant = draw(st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True))
    device = ChildName(tenant, "devices", str(draw(st.uuids()))) if draw(st.booleans()) else None
    heads = {} if device is None else {"device": draw(_heads)}
    if device is None or draw(st.booleans()):
        heads["global"] = draw(_heads)
    return Claim(tenant, device, draw(_nonces), heads)


@given(st.lists(claims(), max_size=5))
def test_claims_arrive_as_they_were_sent(sent: list[Claim]) -> None:
    request = edge_pb2.SignHeartbeatsRequest.FromString(wire.claims_to_wire(sent).SerializeToString())
    assert wire.claims_from_wire(request) == sent


@given(st.binary(max_size=300))
def test_foreign_requests_are_refused_by_their_own_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError, InvalidArgument):
        request = edge_pb2.SignHeartbeatsRequest.FromString(data)
        wire.lost_from_wire(request)
        wire.claims_from_wire(request)


_positions = st.builds(
    edge_pb2.HeartbeatLeaf.FeedPosition,
    feed=st.sampled_from(["global", "devices/x", "revocations", "all", "", "devices/../all"]) | st.text(max_size=8),
    epoch=st.binary(max_size=17),
    sequence=st.integers(-(2**63), 2**63 - 1),
    state_digest=st.binary(max_size=33),
)


@given(
    st.builds(
        edge_pb2.HeartbeatLeaf,
        parent=st.sampled_from(["tenants/default", "tenants/system", "", "tenants/A"]),
        nonce=st.binary(max_size=65),
        feeds=st.lists(_positions, max_size=3),
    )
)
def test_only_leaves_of_feeds_that_devices_read_are_taken(leaf: edge_pb2.HeartbeatLeaf) -> None:
    with contextlib.suppress(InvalidArgument):
        (claim,) = wire.claims_from_wire(edge_pb2.SignHeartbeatsRequest(leaves=[leaf]))
        assert set(claim.heads) <= {"global", "device"}
        assert ("device" in claim.heads) == (claim.device is not None)
        assert 16 <= len(claim.nonce) <= 64


_proofs = st.builds(
    edge_pb2.HeartbeatProof,
    tree=st.integers(-2, 3),
    leaf=st.binary(max_size=20),
    leaf_index=st.integers(-1, 300),
    tree_size=st.sampled_from([0, 255, 256]),
    path=st.lists(st.binary(max_size=33), max_size=9),
)


@given(
    st.builds(
        edge_pb2.SignHeartbeatsResponse,
        proofs=st.lists(_proofs, max_size=3),
        payloads=st.lists(st.binary(max_size=20), max_size=3),
    ),
    st.lists(claims(), max_size=3),
)
def test_foreign_answers_are_refused_by_their_own_error(
    answer: edge_pb2.SignHeartbeatsResponse, asked: list[Claim]
) -> None:
    with contextlib.suppress(wire.AnswerInvalid):
        assert len(wire.proofs_from_wire(answer, asked)) == len(asked)


def test_too_many_are_refused() -> None:
    leaves = [edge_pb2.HeartbeatLeaf()] * (wire.CLAIMS_MAX + 1)
    with pytest.raises(InvalidArgument, match="at most"):
        wire.claims_from_wire(edge_pb2.SignHeartbeatsRequest(leaves=leaves))
    lost = [edge_pb2.LostHistory()] * (wire.LOST_MAX + 1)
    with pytest.raises(InvalidArgument, match="at most"):
        wire.lost_from_wire(edge_pb2.SignHeartbeatsRequest(lost=lost))


def test_what_was_not_signed_has_no_leaf() -> None:
    response = wire.proofs_to_wire([None], datetime(2026, 11, 22, tzinfo=UTC))
    assert not response.proofs[0].leaf
