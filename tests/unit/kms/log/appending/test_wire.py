import pytest

from hallmark.v1 import log_pb2
from kms.core.errors import InvalidArgument, NotFound, Reason
from kms.log.appending.appending import Appended, AppendWait
from kms.log.appending.wire import event_of, tenant_of, wait_of, write_appended
from kms.log.entries.event_types import EVENT_TYPES
from kms.log.model import Receipt, promise_of
from support.append_world import BACKEND, TYPE, call, request


def test_an_event_says_what_the_request_said_and_who_asked() -> None:
    event = event_of(
        request(details={"a": "b", "_x.y-z": ""}, personal={"who": "Ada\n✓"}, person="p 1", subject="urn:x:y%20z"),
        call(),
    )
    assert (event.tenant, event.by, event.event_type, event.subject) == (
        "default",
        BACKEND.spiffe_id,
        TYPE,
        "urn:x:y%20z",
    )
    assert (event.facts, event.personal, event.person) == ({"a": "b", "_x.y-z": ""}, {"who": "Ada\n✓"}, "p 1")
    assert event_of(request(), call()).person is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_type", ""),
        ("event_type", "released"),
        ("event_type", "model.released"),
        ("event_type", "com.Example.released"),
        ("event_type", "com..example.released"),
        ("event_type", ".com.example.released"),
        ("event_type", "com.example.released."),
        ("event_type", "com.example.released\n"),
        ("event_type", "com.1example.released"),
        ("event_type", "com.example." + "x" * 117),
        ("event_type", "hallmark.log.closed"),
        ("subject", ""),
        ("subject", "models x"),
        ("subject", "models/ü"),
        ("subject", "models/x\n"),
        ("subject", "x" * 513),
        ("person", "x" * 257),
        ("person", "a\x00b"),
        ("person", "a\x7f"),
        ("details", {"": ""}),
        ("details", {"1": ""}),
        ("details", {"a b": ""}),
        ("details", {"ü": ""}),
        ("details", {"x" * 65: ""}),
        ("details", {"a": "x" * 4097}),
        ("details", {"a": "ü" * 2049}),
        ("details", {f"n{number}": "" for number in range(65)}),
        ("personal", {"a\n": ""}),
        ("personal", {"a": "x" * 4097}),
        ("personal", {f"n{number}": "" for number in range(17)}),
        ("request_id", ""),
        ("request_id", "1"),
        ("parent", "default"),
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidArgument) as refused:
        event_of(request(**{field: value}), call())
    if refused.value.reason is Reason.FIELD_INVALID:
        assert refused.value.field == field


@pytest.mark.parametrize(
    "members",
    [
        {"event_type": "com.example." + "x" * 116},
        {"event_type": "com.hallmark.thing"},
        {"subject": "x" * 512},
        {"person": "ü" * 256},
        {"details": {f"n{number}": "" for number in range(64)}},
        {"details": {"x" * 64: "x" * 4096}},
        {"personal": {f"n{number}": "" for number in range(16)}},
    ],
    ids=str,
)
def test_what_is_just_within_bounds_is_taken(members) -> None:
    event_of(request(**members), call())


def test_no_event_of_a_caller_looks_like_one_of_the_service() -> None:
    for own in EVENT_TYPES:
        with pytest.raises(InvalidArgument):
            event_of(request(event_type=own), call())


def test_another_tenant_is_not_found() -> None:
    with pytest.raises(NotFound):
        event_of(request(parent="tenants/another"), call())
    with pytest.raises(NotFound):
        event_of(request(parent="tenants/another"), call(), batch_tenant="default")
    with pytest.raises(NotFound):
        tenant_of("tenants/another", call())
    with pytest.raises(InvalidArgument):
        event_of(request(parent=""), call())
    assert event_of(request(parent=""), call(), batch_tenant="default").tenant == "default"


def test_waits() -> None:
    assert wait_of(log_pb2.APPEND_WAIT_UNSPECIFIED) is AppendWait.PUBLISHED
    for name in ("COMMITTED", "SEQUENCED", "PUBLISHED"):
        assert wait_of(log_pb2.AppendWait.Value(f"APPEND_WAIT_{name}")).name == name
    with pytest.raises(InvalidArgument):
        wait_of(4)


def test_an_answer_with_and_without_its_checkpoint() -> None:
    appended = Appended(promise_of("key", b"entry"), {"who": b"s" * 32}, True, Receipt(7, b"head\n\n", b"note"))
    whole, head, placed = (log_pb2.AppendEntryResponse() for _ in range(3))
    write_appended(whole, appended)
    assert (whole.log.leaf_index, whole.log.tlog_proof) == (7, b"head\n\nnote")
    assert (whole.log.event_key, whole.log.entry, whole.replayed, dict(whole.salts)) == (
        "key",
        b"entry",
        True,
        {"who": b"s" * 32},
    )
    write_appended(head, appended, whole_proof=False)
    assert head.log.tlog_proof == b"head\n\n"
    write_appended(placed, Appended(promise_of("key", b"entry"), {}, False, Receipt(0)))
    assert placed.log.HasField("leaf_index")
    assert not placed.log.tlog_proof
