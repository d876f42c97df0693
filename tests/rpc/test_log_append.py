"""Appending to the real service: every proof verified by who trusts the log's keys and nobody else."""

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from hallmark.v1 import keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_client.model.appending import Appended, ToAppend
from hallmark_tlog.entry import parse_entry, verify_opening
from hallmark_tlog.proof import VerifiedEntry, verify_proof
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from rpc.wire import PARENT, channel, fresh_id, read_refusal, refused
from support.service import RunningService, running_service

TYPE = "com.example.model.released"


@pytest.fixture
def vkeys(service: RunningService) -> list[VerifierKey]:
    return read_vkeys(service)


def read_vkeys(service: RunningService) -> list[VerifierKey]:
    with channel(service, "auditor") as opened:
        found = keys_pb2_grpc.KeyServiceStub(opened).GetCapabilities(keys_pb2.GetCapabilitiesRequest(), timeout=20)
    return [parse_vkey(line) for line in found.log.verifier_keys]


def event(**members) -> log_pb2.AppendEntryRequest:
    given = {"parent": PARENT, "request_id": fresh_id(), "event_type": TYPE, "subject": "models/example-7b"}
    return log_pb2.AppendEntryRequest(**{**given, **members})


def verified(promise, vkeys: list[VerifierKey], checkpoint: bytes = b"") -> VerifiedEntry:
    proved = verify_proof(promise.tlog_proof + checkpoint, promise.entry, vkeys, origin=vkeys[0].name)
    assert proved.index == promise.leaf_index
    return proved


def test_one_event(service: RunningService, vkeys) -> None:
    asked = event(details={"digest": "sha256:00"}, personal={"approver": "Ada"}, person="p-1")
    with channel(service, "backend") as opened:
        log = log_pb2_grpc.LogServiceStub(opened)
        answer = log.AppendEntry(asked, timeout=20)
        again = log.AppendEntry(asked, timeout=20)
        asked.details["digest"] = "sha256:01"
        other = refused(log.AppendEntry, asked)
        assert refused(log.AppendEntry, event(parent="tenants/another")).reason == "RESOURCE_NOT_FOUND"
        for field, value in (("event_type", "key.created"), ("subject", ""), ("request_id", "x"), ("wait", 9)):
            assert refused(log.AppendEntry, event(**{field: value})).code is grpc.StatusCode.INVALID_ARGUMENT
        large = event(details={f"n{number}": "x" * 4096 for number in range(17)})
        assert refused(log.AppendEntry, large).reason == "MESSAGE_TOO_LARGE"
    entry = parse_entry(verified(answer.log, vkeys).entry)
    assert verify_opening(entry, "approver", "Ada", answer.salts["approver"]).value == "Ada"
    assert (again.replayed, again.log.entry, again.salts) == (True, answer.log.entry, answer.salts)
    assert other.reason == "REQUEST_ID_REUSED"
    with channel(service, "auditor") as opened:
        stub = log_pb2_grpc.LogServiceStub(opened)
        assert refused(stub.AppendEntry, event()).reason == "ROLE_NOT_ALLOWED"
        assert refused(stub.BatchAppendEntries, log_pb2.BatchAppendEntriesRequest()).reason == "ROLE_NOT_ALLOWED"
        with pytest.raises(grpc.RpcError) as ended:
            list(stub.AppendStream(iter([event()]), timeout=20))
        assert read_refusal(ended.value).reason == "ROLE_NOT_ALLOWED"


def test_a_batch_of_100(service: RunningService, vkeys) -> None:
    requests = [event(subject=f"models/{number}") for number in range(100)]
    requests[50].event_type = "wrong"
    with channel(service, "backend") as opened:
        batch = log_pb2.BatchAppendEntriesRequest(parent=PARENT, requests=requests)
        answer = log_pb2_grpc.LogServiceStub(opened).BatchAppendEntries(batch, timeout=20)
    assert len(answer.results) == 100
    for number, result in enumerate(answer.results):
        if number == 50:
            assert result.WhichOneof("result") == "error"
            continue
        proved = verified(result.response.log, vkeys, answer.checkpoint)
        assert parse_entry(proved.entry).subject == f"models/{number}"


def test_a_stream_of_500(service: RunningService, vkeys) -> None:
    requests = {one.request_id: one for one in (event(subject=f"models/{number}") for number in range(500))}
    with channel(service, "backend") as opened:
        answers = list(log_pb2_grpc.LogServiceStub(opened).AppendStream(iter(requests.values()), timeout=60))
    assert sorted(answer.request_id for answer in answers) == sorted(requests)
    for answer in answers:
        proved = verified(answer.response.log, vkeys)
        assert parse_entry(proved.entry).subject == requests[answer.request_id].subject
    assert len({answer.response.log.leaf_index for answer in answers}) == 500


def test_a_stream_that_is_cancelled_in_the_middle_can_be_sent_again(service: RunningService, vkeys) -> None:
    requests = [event(subject=f"models/{number}") for number in range(40)]
    more = threading.Event()

    def first_half() -> Iterator[log_pb2.AppendEntryRequest]:
        yield from requests[:20]
        more.wait(20)

    with channel(service, "backend") as opened:
        stub = log_pb2_grpc.LogServiceStub(opened)
        call = stub.AppendStream(first_half(), timeout=60)
        before = {answer.request_id: answer for answer, _ in zip(call, range(5), strict=False)}
        call.cancel()
        more.set()
        after = {answer.request_id: answer for answer in stub.AppendStream(iter(requests), timeout=60)}
    assert after.keys() == {one.request_id for one in requests}
    for request_id, answer in before.items():
        assert after[request_id].response.replayed
        assert after[request_id].response.log.entry == answer.response.log.entry
    assert len({verified(answer.response.log, vkeys).index for answer in after.values()}) == 40


def test_bytes_that_are_no_message_end_a_stream_with_a_typed_status(service: RunningService) -> None:
    with channel(service, "backend") as opened:
        call = opened.stream_stream("/hallmark.v1.LogService/AppendStream")(iter([b"\xff\xff"]), timeout=20)
        with pytest.raises(grpc.RpcError) as ended:
            list(call)
    refusal = read_refusal(ended.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_every_event_is_there_once_however_the_server_ends(tmp_path: Path, end: str) -> None:
    count = 400
    items = [ToAppend(event_type=TYPE, subject=f"models/{number}", request_id=fresh_id()) for number in range(count)]
    with running_service(tmp_path / "home", settings="[server]\ndrain_seconds = 1", same_ports=True) as service:
        vkeys = read_vkeys(service)
        with service.client("backend", timeout_seconds=40) as client:
            answers = []
            for number, answer in enumerate(client.log.append_stream(items, outstanding_max=64)):
                answers.append(answer)
                if number == 100:
                    getattr(service, end)()
                    threading.Thread(target=service.start).start()
            assert sorted(item.request_id or "" for item, _ in answers) == sorted(
                item.request_id or "" for item in items
            )
            for item, outcome in answers:
                assert isinstance(outcome, Appended)
                assert parse_entry(verified(outcome.log, vkeys).entry).subject == item.subject
        with service.client("auditor") as auditor:
            logged = [parse_entry(record.entry) for record in auditor.log.entries()]
    subjects = sorted(entry.subject for entry in logged if entry.event_type == TYPE)
    assert subjects == sorted(item.subject for item in items)
