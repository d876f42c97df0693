import contextlib
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import Client, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, VerificationFailed
from hallmark_client.errors import AlreadyExists
from hallmark_client.model.log_entries import LogRecord
from hallmark_tlog.cose_keys import encode_key_set, parse_key


@pytest.fixture
def auditor(client_under_test) -> Client:
    return client_under_test("auditor")


@pytest.fixture
def key(admin: Client) -> str:
    return admin.keys.create(f"key-{uuid.uuid4().hex[:12]}", wait="published").name


def found_soon(client: Client, count: int, **wanted: object) -> list[LogRecord]:
    """What is found, once the index has caught up: within moments."""
    for _ in range(100):
        records = list(client.log.find(**wanted))  # type: ignore[arg-type]
        if len(records) >= count:
            return records
        time.sleep(0.1)
    raise AssertionError(f"{wanted} was not found")


def test_an_entry_by_its_key_and_by_its_index(admin: Client, auditor: Client, key: str) -> None:
    promise = admin.signing.sign(key, b"weights", wait="published").log
    record = auditor.log.entry(event_key=promise.event_key)
    assert (record.entry, record.leaf_hash) == (promise.entry, promise.leaf_hash)
    assert auditor.log.entry(leaf_index=record.leaf_index) == record
    entry = record.parsed()
    assert (entry.event_key, entry.tenant, entry.subject) == (promise.event_key, "default", f"{key}/versions/1")
    for wrong in ({"event_key": str(uuid.uuid4())}, {"leaf_index": 10**9}):
        with pytest.raises(NotFound) as refused:
            auditor.log.entry(**wrong)
        assert refused.value.reason == "LOG_ENTRY_NOT_FOUND"
    with pytest.raises(InvalidArgument):
        auditor.log.entry()


def test_the_whole_log_in_order(auditor: Client, key: str) -> None:
    identity = auditor.capabilities().log
    records = list(auditor.log.entries())
    assert [record.leaf_index for record in records] == list(range(len(records)))
    assert any(record.parsed().subject.startswith(key) for record in records)
    last = list(auditor.log.stream(len(records) - 1))
    assert next(record.leaf_index for batch in last for record in batch.entries) == len(records) - 1
    assert last[0].checkpoint is not None
    assert last[0].checkpoint.verify(identity.verifier_keys, identity.origin).size >= len(records)


def test_from_beyond_the_end_is_refused(auditor: Client, key: str) -> None:
    for follow in (False, True):
        with pytest.raises(InvalidArgument) as refused:
            list(auditor.log.stream(10**9, follow=follow))
        assert refused.value.reason == "TREE_SIZE_UNKNOWN"


def test_following_tells_what_is_published_next(admin: Client, auditor: Client, key: str) -> None:
    stop = threading.Event()
    start = auditor.log.checkpoint().size
    promise = None
    for batch in auditor.log.stream(start, follow=True, stop=stop):
        if promise is None:
            promise = admin.signing.sign(key, b"next").log
        if promise.entry in [record.entry for record in batch.entries]:
            break
    stop.set()
    assert promise is not None


def test_entries_are_found_by_subject_type_and_time(admin: Client, auditor: Client, key: str) -> None:
    admin.signing.sign(key, b"one", wait="published")
    admin.signing.sign(key, b"two", wait="published")
    version = f"{key}/versions/1"
    found = found_soon(auditor, 2, subject=version, event_type="signature.created")
    assert [record.parsed().event_type for record in found] == ["signature.created"] * 2
    assert found[0].leaf_index > found[1].leaf_index
    below = found_soon(auditor, 3, subject=f"{key}/*", oldest_first=True)
    assert below[-2:] == found[::-1]
    assert below[0].parsed().event_type == "key.created"
    assert list(auditor.log.find(subject=f"{key}/*", oldest_first=True, page_size=1)) == below
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list(auditor.log.find(subject=version, start_time=tomorrow)) == []
    assert len(list(auditor.log.find(subject=version, end_time=tomorrow))) >= 2
    for wrong in ({"subject": "a*b/*"}, {"page_size": 1000}):
        with pytest.raises(InvalidArgument):
            list(auditor.log.find(**wrong))


def test_people_are_opened_and_erased(admin: Client, auditor: Client, key: str) -> None:
    proposal = admin.approvals.propose("DESTROY", f"{key}/versions/1", reason="no longer needed")
    event_key = proposal.log.event_key
    openings = None
    for _ in range(100):
        with contextlib.suppress(NotFound):
            openings = auditor.log.open(event_key)
            break
        time.sleep(0.1)
    assert openings is not None
    assert proposal.proposer.encode() not in openings.entry
    assert openings.verify("proposer", proposal.proposer).value == proposal.proposer
    for name, value in (("proposer", "spiffe://x/eve"), ("nobody", "x")):
        with pytest.raises(VerificationFailed) as refused:
            openings.verify(name, value)
        assert refused.value.reason == "COMMITMENT_MISMATCH"
    request_id = str(uuid.uuid4())
    erasure = admin.log.erase(event_key=event_key, reason="asked for", request_id=request_id)
    assert erasure.erased_entries == 1
    assert admin.log.erase(event_key=event_key, reason="asked for", request_id=request_id) == erasure
    with pytest.raises(FailedPrecondition) as gone:
        auditor.log.open(event_key)
    assert gone.value.reason == "COMMITMENT_ERASED"
    assert admin.log.erase(event_key=event_key).erased_entries == 0
    assert admin.log.erase(person="nobody").erased_entries == 0


def test_what_can_not_be_erased(admin: Client, auditor: Client) -> None:
    with pytest.raises(NotFound):
        admin.log.erase(event_key=str(uuid.uuid4()))
    with pytest.raises(InvalidArgument):
        admin.log.erase()
    with pytest.raises(PermissionDenied):
        auditor.log.erase(person="ada")
    request_id = str(uuid.uuid4())
    admin.log.erase(person="ada", request_id=request_id)
    with pytest.raises(AlreadyExists):
        admin.log.erase(person="eve", request_id=request_id)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ML-DSA-44"])
def test_receipts_in_cbor(admin: Client, auditor: Client, key: str, algorithm: str) -> None:
    promise = admin.signing.sign(key, b"weights", wait="published").log
    receipt = auditor.log.receipt(event_key=promise.event_key, algorithm=algorithm)
    assert receipt.entry == promise.entry
    signer = parse_key(receipt.cose_key)
    (number,) = [number for number in signer.algorithms if number in {-8, -48}]
    keys = encode_key_set([(number, signer.public_key.public_bytes_raw())])  # type: ignore[union-attr]
    origin = auditor.capabilities().log.origin
    fact = receipt.verify(keys, origin)
    assert (fact.leaf_index, fact.leaf_hash, fact.tree_size) == (
        promise.leaf_index,
        promise.leaf_hash,
        receipt.tree_size,
    )
    with pytest.raises(VerificationFailed) as refused:
        receipt.verify(keys, "another.example/log")
    assert refused.value.reason == "RECEIPT_INVALID"
    with pytest.raises(NotFound):
        auditor.log.receipt(event_key=str(uuid.uuid4()), algorithm=algorithm)
    with pytest.raises(InvalidArgument):
        auditor.log.receipt(leaf_index=0, algorithm="RS256")
