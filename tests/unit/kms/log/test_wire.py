import pytest

from hallmark.v1 import common_pb2
from kms.core.errors import InvalidArgument
from kms.log.model import LogPromise
from kms.log.wire import promise_to_wire, wants_published


def test_a_promise_without_proof_has_no_index() -> None:
    wire = promise_to_wire(LogPromise("key", b"h" * 32, b"{}"))
    assert not wire.HasField("leaf_index")
    assert (wire.event_key, wire.leaf_hash, wire.entry, wire.tlog_proof) == ("key", b"h" * 32, b"{}", b"")


def test_index_zero_is_an_index() -> None:
    wire = promise_to_wire(LogPromise("key", b"h" * 32, b"{}", leaf_index=0, tlog_proof=b"proof"))
    assert wire.HasField("leaf_index")
    assert (wire.leaf_index, wire.tlog_proof) == (0, b"proof")


@pytest.mark.parametrize(
    ("value", "published"),
    [
        (common_pb2.LOG_WAIT_UNSPECIFIED, False),
        (common_pb2.LOG_WAIT_COMMITTED, False),
        (common_pb2.LOG_WAIT_PUBLISHED, True),
    ],
)
def test_how_long_to_wait(value: common_pb2.LogWait, published: bool) -> None:
    assert wants_published(value) is published


def test_an_unknown_wait_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        wants_published(7)  # type: ignore[arg-type]
    assert caught.value.field == "log_wait"
