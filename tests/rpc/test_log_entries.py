import json
import threading
import time
import urllib.request

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import approvals_pb2, approvals_pb2_grpc, common_pb2, keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_tlog.cose_keys import parse_key_set
from hallmark_tlog.cose_receipt import verify_receipt
from hallmark_tlog.entry import parse_entry, verify_opening
from hallmark_tlog.merkle import leaf_hash
from rpc.wire import PARENT, channel, fresh_id, fresh_name, read_refusal, refused
from support.service import RunningService, running_service


def create(opened: grpc.Channel) -> keys_pb2.CreateKeyResponse:
    request = keys_pb2.CreateKeyRequest(
        parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), log_wait=common_pb2.LOG_WAIT_PUBLISHED
    )
    return keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20)


def propose(opened: grpc.Channel) -> approvals_pb2.Proposal:
    made = create(opened)
    request = approvals_pb2.CreateProposalRequest(
        parent=PARENT,
        act=approvals_pb2.PROPOSED_ACT_DESTROY,
        subject=made.key.versions[0].name,
        request_id=fresh_id(),
    )
    proposal = approvals_pb2_grpc.ApprovalServiceStub(opened).CreateProposal(request, timeout=20)
    create(opened)  # its checkpoint covers the proposal as well
    return proposal


def test_entries_as_they_stand_in_the_public_files(service: RunningService) -> None:
    with channel(service) as opened:
        log, promise = log_pb2_grpc.LogServiceStub(opened), create(opened).log
        record = log.GetEntry(log_pb2.GetEntryRequest(event_key=promise.event_key), timeout=20)
        assert (record.leaf_index, record.entry) == (promise.leaf_index, promise.entry)
        assert record.leaf_hash == leaf_hash(record.entry)
        assert refused(log.GetEntry, log_pb2.GetEntryRequest(leaf_index=10**12)).reason == "LOG_ENTRY_NOT_FOUND"
        streamed = log.StreamEntries(log_pb2.StreamEntriesRequest(start_index=0), timeout=20)
        indices = [each.leaf_index for message in streamed for each in message.entries]
    assert indices == list(range(len(indices)))
    assert len(indices) > promise.leaf_index


def test_entries_are_found_moments_after_publication(service: RunningService) -> None:
    with channel(service) as opened:
        log, made = log_pb2_grpc.LogServiceStub(opened), create(opened)
        version = made.key.versions[0].name
        request = log_pb2.ListEntriesRequest(
            parent=PARENT, subject=version, event_type="key.created", start_time=Timestamp(seconds=1)
        )
        deadline = time.monotonic() + 15
        while not (answer := log.ListEntries(request, timeout=20)).entries and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [entry.entry for entry in answer.entries] == [made.log.entry]
        assert answer.indexed_size > made.log.leaf_index
        other = log_pb2.ListEntriesRequest(parent="tenants/other")
        assert refused(log.ListEntries, other).reason == "RESOURCE_NOT_FOUND"
        request.page_token = "AAAA"
        assert refused(log.ListEntries, request).reason == "PAGE_TOKEN_INVALID"


def test_people_are_opened_until_they_are_erased(service: RunningService) -> None:
    with channel(service) as opened:
        log, proposal = log_pb2_grpc.LogServiceStub(opened), propose(opened)
        wanted = log_pb2.OpenCommitmentsRequest(event_key=proposal.log.event_key)
        answer = log.OpenCommitments(wanted, timeout=20)
        entry = parse_entry(answer.entry)
        salts = {one.name: one.salt for one in answer.openings}
        assert verify_opening(entry, "proposer", proposal.proposer, salts["proposer"])
        assert proposal.proposer.encode() not in answer.entry
        erase = log_pb2.EraseCommitmentsRequest(
            parent=PARENT, request_id=fresh_id(), event_key=proposal.log.event_key, reason="asked for"
        )
        done = log.EraseCommitments(erase, timeout=20)
        assert done.erased_entries == 1
        assert log.EraseCommitments(erase, timeout=20) == done
        assert json.loads(done.log.entry)["type"] == "log.commitments_erased"
        gone = refused(log.OpenCommitments, wanted)
    assert (gone.code, gone.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COMMITMENT_ERASED")
    everything = b"".join(path.read_bytes() for path in service.home.glob("hallmark.db*"))
    assert not [salt for salt in salts.values() if salt in everything]


def test_only_operators_erase(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        request = log_pb2.EraseCommitmentsRequest(parent=PARENT, request_id=fresh_id(), person="ada")
        assert refused(log_pb2_grpc.LogServiceStub(opened).EraseCommitments, request).reason == "ROLE_NOT_ALLOWED"
    with channel(service, "device") as opened:
        log = log_pb2_grpc.LogServiceStub(opened)
        for method, message in (
            (log.GetEntry, log_pb2.GetEntryRequest(leaf_index=0)),
            (log.ListEntries, log_pb2.ListEntriesRequest(parent=PARENT)),
            (log.OpenCommitments, log_pb2.OpenCommitmentsRequest(event_key="k")),
        ):
            assert refused(method, message).reason == "ROLE_NOT_ALLOWED"
        with pytest.raises(grpc.RpcError) as ended:
            list(log.StreamEntries(log_pb2.StreamEntriesRequest(), timeout=20))
        assert read_refusal(ended.value).reason == "ROLE_NOT_ALLOWED"


@pytest.mark.parametrize("algorithm", [-8, -48])
def test_receipts_verify_with_the_public_file(service: RunningService, algorithm: int) -> None:
    with channel(service) as opened:
        promise = create(opened).log
        request = log_pb2.GetCoseReceiptRequest(event_key=promise.event_key, algorithm=algorithm)
        answer = log_pb2_grpc.LogServiceStub(opened).GetCoseReceipt(request, timeout=20)
    with urllib.request.urlopen(f"{service.facts['public_url']}/receipt-keys", timeout=10) as published:
        assert published.headers["content-type"] == "application/cose-key-set"
        keys = parse_key_set(published.read())
    found = verify_receipt(answer.receipt, promise.entry, keys)
    assert (found.index, found.size) == (promise.leaf_index, answer.tree_size)


def test_who_follows_hears_of_the_next_entry_and_is_let_go_at_the_end(tmp_path) -> None:
    with running_service(tmp_path) as own, channel(own) as opened:
        log = log_pb2_grpc.LogServiceStub(opened)
        create(opened)
        start = log.GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20).size
        stream = log.StreamEntries(log_pb2.StreamEntriesRequest(start_index=start, follow=True), timeout=60)
        assert next(stream).checkpoint.size == start
        promise = create(opened).log
        entries = []
        while promise.entry not in entries:
            entries += [record.entry for record in next(stream).entries]
        stopping = threading.Thread(target=own.stop)
        stopping.start()
        began = time.monotonic()
        list(stream)  # ends without an error
        stopping.join()
        assert time.monotonic() - began < 15
