import urllib.request
from pathlib import Path

import grpc
import pytest

from hallmark.v1 import common_pb2, keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_tlog.audit import audit
from hallmark_tlog.fetch import folder_fetcher, http_fetcher
from hallmark_tlog.merkle import verify_consistency, verify_inclusion
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import parse_vkey
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService


@pytest.fixture
def vkeys(service: RunningService):
    with channel(service, "auditor") as opened:
        found = keys_pb2_grpc.KeyServiceStub(opened).GetCapabilities(keys_pb2.GetCapabilitiesRequest(), timeout=20)
    return [parse_vkey(line) for line in found.log.verifier_keys]


def _act(opened: grpc.Channel, wait: int = common_pb2.LOG_WAIT_PUBLISHED) -> common_pb2.LogPromise:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), log_wait=wait)
    return keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20).log


def test_an_act_that_waits_comes_with_its_proof(service: RunningService, vkeys) -> None:
    with channel(service) as opened:
        promise = _act(opened)
    verified = verify_proof(promise.tlog_proof, promise.entry, vkeys, origin=vkeys[0].name)
    assert verified.index == promise.leaf_index
    assert b"key.created" in promise.entry


def test_both_kinds_of_keys_signed_the_checkpoint(service: RunningService, vkeys) -> None:
    with channel(service, "auditor") as opened:
        note = log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
    for vkey in vkeys:
        opened_checkpoint = open_checkpoint(note.note, [vkey], origin=note.origin).checkpoint
        assert (opened_checkpoint.size, opened_checkpoint.root) == (note.size, note.root_hash)


def test_proofs_over_grpc_hold(service: RunningService) -> None:
    with channel(service) as opened:
        log = log_pb2_grpc.LogServiceStub(opened)
        old = log.GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
        promise = _act(opened)
        new = log.GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
        by_key = log.GetInclusionProof(log_pb2.GetInclusionProofRequest(event_key=promise.event_key), timeout=20)
        by_index = log.GetInclusionProof(
            log_pb2.GetInclusionProofRequest(leaf_index=promise.leaf_index, tree_size=new.size), timeout=20
        )
        verify_inclusion(by_index.leaf_index, new.size, promise.leaf_hash, list(by_index.hashes), new.root_hash)
        assert by_key.entry == by_index.entry == promise.entry
        grown = log.GetConsistencyProof(
            log_pb2.GetConsistencyProofRequest(old_size=old.size, new_size=new.size), timeout=20
        )
        verify_consistency(old.size, old.root_hash, new.size, new.root_hash, list(grown.hashes))
        beyond = refused(log.GetInclusionProof, log_pb2.GetInclusionProofRequest(leaf_index=10**6))
        assert beyond.reason == "LOG_ENTRY_NOT_FOUND"
        assert refused(log.GetConsistencyProof, log_pb2.GetConsistencyProofRequest(old_size=10**6)).reason == (
            "TREE_SIZE_UNKNOWN"
        )


@pytest.mark.parametrize("place", ["folder", "http"])
def test_an_auditor_with_public_files_only_verifies_everything(service: RunningService, vkeys, place: str) -> None:
    with channel(service) as opened:
        _act(opened)
    public = service.home / "public"
    fetch = folder_fetcher(public) if place == "folder" else http_fetcher(str(service.facts["public_url"]))
    report = audit(fetch, vkeys, origin=vkeys[0].name)
    assert report.entries_verified == report.inclusions_verified == report.checkpoint.size > 0


def test_public_files_have_the_headers_caches_need(service: RunningService) -> None:
    url = str(service.facts["public_url"])
    with urllib.request.urlopen(f"{url}/checkpoint", timeout=10) as answer:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"].startswith("text/plain")
    with urllib.request.urlopen(f"{url}/verifier-keys", timeout=10) as answer:
        assert answer.read().count(b"\n") == 2
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"{url}/../hallmark.db", timeout=10)
    assert missing.value.code == 404
    missing.value.close()


def test_no_leaf_holds_what_was_signed(service: RunningService) -> None:
    secret = b"a very particular message"
    with channel(service) as opened:
        promise = _act(opened)
        name = promise.entry.decode().split('"subject":"')[1].split("/versions")[0]
        request = keys_pb2.SignRequest(name=name, data=secret, request_id=fresh_id(), log_wait=2)
        signed = keys_pb2_grpc.SigningServiceStub(opened).Sign(request, timeout=20)
    everything = b"".join(path.read_bytes() for path in Path(service.home / "public").rglob("*") if path.is_file())
    assert signed.log.entry in everything
    assert secret not in everything + service.log.encode()
    assert signed.signature[:40] not in everything
