"""Parts of a batch, counted in its bytes."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from hallmark.v1 import keys_pb2, log_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.server.batch_items import FIELDS_MAX, items_of

PART = b"\x12\x00"


@given(parent=st.text(max_size=300), names=st.lists(st.text(max_size=200), max_size=20))
def test_as_many_as_the_message_has(parent: str, names: list[str]) -> None:
    batch = keys_pb2.BatchSignRequest(parent=parent, requests=[keys_pb2.SignRequest(name=name) for name in names])
    assert items_of(batch.SerializeToString()) == len(names)


@given(st.binary(max_size=60))
def test_any_bytes_are_counted_as_protobuf_counts_them_or_refused(body: bytes) -> None:
    try:
        found = items_of(body)
    except InvalidArgument:
        return
    try:
        batch = log_pb2.BatchAppendEntriesRequest.FromString(body)
    except DecodeError:
        return
    assert found >= len(batch.requests)


def test_every_batch_has_its_parts_in_the_same_field() -> None:
    for kind in (keys_pb2.BatchSignRequest, keys_pb2.BatchVerifyRequest, log_pb2.BatchAppendEntriesRequest):
        assert kind.DESCRIPTOR.fields_by_name["requests"].number == 2


def test_too_many_are_refused_and_not_counted_to_the_end() -> None:
    assert items_of(PART * FIELDS_MAX) == FIELDS_MAX
    with pytest.raises(InvalidArgument) as refused:
        items_of(PART * 2_000_000)
    assert (refused.value.reason, refused.value.field) == (Reason.BATCH_TOO_LARGE, "requests")


@pytest.mark.parametrize(
    "body", [b"\x13", b"\x12", b"\x12\x05x", b"\x80" * 11, b"\x09\x00", b"\x0c", b"\x13" + PART * 9]
)
def test_what_is_no_message(body: bytes) -> None:
    """Also groups: what stands in them would not be counted."""
    with pytest.raises(InvalidArgument) as refused:
        items_of(body)
    assert refused.value.reason is Reason.FIELD_INVALID
