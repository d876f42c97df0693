import json
from dataclasses import replace
from datetime import timedelta

import pytest

from hallmark_events.canonical import canonical_json
from hallmark_events.errors import (
    EventsError,
    KeyUnknown,
    ProofInvalid,
    ProofMissing,
    RolledBack,
    SignatureInvalid,
    SnapshotInvalid,
    Stale,
    StateDiffers,
    StatusListInvalid,
)
from hallmark_events.manifest import DeltaRef, Manifest, parse_manifest_signature, sha256_hex
from hallmark_events.outcome import Change
from hallmark_events.snapshot import Snapshot, evidence_paths, read_manifest
from hallmark_events.snapshot_files import ListChanges, encode_delta, pack_event, parse_delta, parse_state
from hallmark_events.status_list import StatusList, StatusReference
from hallmark_events.types import StatusValue
from unit.hallmark_events.events_world import (
    ISSUER,
    LATER_EPOCH,
    OTHER_KEY,
    PARENT,
    START,
    ReadPlane,
    event,
    log_entry,
    logged,
    logged_payload,
    sign,
    verifier,
)

VALID, INVALID, SUSPENDED = StatusValue.VALID, StatusValue.INVALID, StatusValue.SUSPENDED
A, B = f"{PARENT}/artifacts/a", f"{PARENT}/artifacts/b"
REFERENCE = StatusReference(5, f"{ISSUER}/lists/1")


def statuses(**values: int) -> StatusList:
    made = StatusList.of_size(64, 2)
    for index, value in values.items():
        made[int(index.removeprefix("i"))] = value
    return made


def read(plane: ReadPlane, seen=None, now=START, **others):
    return read_manifest(plane.read, verifier(**others), tenant="acme", seen=seen, now=now)


def update(snapshot: Snapshot, plane: ReadPlane):
    return snapshot.update(read(plane, snapshot.seen), plane.read, verifier())


@pytest.fixture
def plane() -> ReadPlane:
    made = ReadPlane()
    made.publish([event(1, "artifacts/a", SUSPENDED), event(2, "artifacts/b", VALID)], {1: statuses(i5=2)})
    return made


def test_whole_files_make_a_state(plane) -> None:
    snapshot = Snapshot()
    assert set(update(snapshot, plane)) == {Change(A, None, SUSPENDED), Change(B, None, VALID)}
    assert snapshot.status_of(REFERENCE) is SUSPENDED
    assert snapshot.status_of(StatusReference(6, REFERENCE.uri)) is VALID
    assert snapshot.state.digest() == read(plane).manifest.state_digest
    for missing in (StatusReference(64, REFERENCE.uri), StatusReference(5, "https://elsewhere")):
        with pytest.raises(StatusListInvalid):
            snapshot.status_of(missing)


def test_what_is_held_is_not_read_again(plane) -> None:
    snapshot = Snapshot()
    update(snapshot, plane)
    plane.reads.clear()
    assert update(snapshot, plane) == ()
    assert plane.reads == ["manifest.json", *evidence_paths(plane.files["manifest.json"])]


def test_a_manifest_by_nobody_trusted_is_refused(plane) -> None:
    data = plane.files["manifest.json"]
    good = dict(plane.files)
    entry = log_entry("status.published", {"payload_sha256": sha256_hex(data)})
    other_type = log_entry("artifact.changed", {"payload_sha256": sha256_hex(data)})
    other_payload = log_entry("status.published", {"payload_sha256": "00" * 32})
    signature_path, proof_path = evidence_paths(data)
    signature = json.loads(good[signature_path])
    other = data.replace(b'"number":1', b'"number":2')
    taken = dict(zip(evidence_paths(other), (good[signature_path], good[proof_path]), strict=True))
    plane.files = {**good, **taken, "manifest.json": other}
    with pytest.raises(SignatureInvalid):
        read(plane)
    for path, replaced, error in (
        (signature_path, canonical_json({**signature, "key_version": "other"}), KeyUnknown),
        (signature_path, canonical_json({**signature, "context": "hallmark/other"}), SnapshotInvalid),
        (signature_path, b"{}", SnapshotInvalid),
        (proof_path, logged(entry).tlog_proof, ProofMissing),
        (proof_path, b"", ProofInvalid),
        (proof_path, logged(entry, extra=other_payload).tlog_proof, ProofInvalid),
        (proof_path, logged(other_type, extra=other_type).tlog_proof, ProofInvalid),
        (proof_path, logged(other_payload, extra=other_payload).tlog_proof, ProofInvalid),
        (proof_path, logged(entry, extra=entry, witnessed=False).tlog_proof, ProofInvalid),
    ):
        plane.files = {**good, path: replaced}
        with pytest.raises(error):
            read(plane)
    plane.files = good
    assert read(plane).manifest.number == 1
    with pytest.raises(SignatureInvalid):
        read(plane, trusted_keys={parse_manifest_signature(good[signature_path]).key_version: OTHER_KEY.public_key})


def test_a_manifest_that_is_replaced_while_it_is_read(plane) -> None:
    """What is published or cached in between belongs to another: it is not even asked for."""
    older = dict(plane.files)
    plane.publish([])
    mixed = {**plane.files, "manifest.json": older["manifest.json"]}
    assert mixed["manifest.sig"] != older["manifest.sig"]
    plane.files = mixed
    assert read(plane).manifest.number == 1


def test_of_another_tenant_or_issuer(plane) -> None:
    with pytest.raises(SnapshotInvalid):
        read(plane, issuer="https://other.example")
    with pytest.raises(SnapshotInvalid):
        read_manifest(plane.read, verifier(), tenant="other", seen=None, now=START)


def test_a_manifest_that_is_over_is_stale(plane) -> None:
    assert read(plane, now=START + timedelta(minutes=60))
    with pytest.raises(Stale):
        read(plane, now=START + timedelta(minutes=61))


def test_numbers_and_histories_only_go_up(plane) -> None:
    first = dict(plane.files)
    plane.publish([event(1, "artifacts/a", SUSPENDED)])
    second = read(plane).seen
    plane.files.update(first)
    with pytest.raises(RolledBack):
        read(plane, second)
    plane.number = 1
    plane.publish([event(3, "artifacts/a", INVALID)])  # another manifest of the same number
    with pytest.raises(RolledBack):
        read(plane, second)
    plane.epoch, plane.number = LATER_EPOCH, 0
    plane.publish([event(3, "artifacts/a", INVALID)])
    later = read(plane, second)
    assert later.seen.number == 1
    plane.files.update(first)
    with pytest.raises(RolledBack):
        read(plane, later.seen)


def with_delta(plane: ReadPlane, newest: list, changed: list, lists: dict, list_changes: list, **others) -> Manifest:
    packed = [pack_event(one.data, signature=sign(one.data), log=logged_payload(one.data)) for one in changed]
    start = plane.number
    told = {"start": start, "end": start + 1, "events": packed, "lists": list_changes, **others}
    return plane.publish(newest, lists, deltas=(DeltaRef(start, plane.put(encode_delta(**told))),))


def test_a_delta_leads_from_one_to_the_next(plane) -> None:
    snapshot = Snapshot()
    update(snapshot, plane)
    resumed, valid = event(3, "artifacts/a", VALID), event(2, "artifacts/b", VALID)
    made = with_delta(plane, [resumed, valid], [resumed], {1: statuses(i7=1)}, [ListChanges(1, ((5, 0), (7, 1)))])
    plane.reads.clear()
    assert update(snapshot, plane) == (Change(A, SUSPENDED, VALID),)
    assert made.state.path not in plane.reads
    assert made.lists[0].path not in plane.reads
    assert snapshot.status_of(REFERENCE) is VALID
    assert snapshot.status_of(replace(REFERENCE, index=7)) is INVALID


@pytest.mark.parametrize("broken", ["events", "lists", "index", "range", "file"])
def test_a_delta_that_does_not_lead_there_is_passed_over(plane, broken) -> None:
    snapshot = Snapshot()
    update(snapshot, plane)
    resumed, valid = event(3, "artifacts/a", VALID), event(2, "artifacts/b", VALID)
    changes = {"lists": [], "index": [ListChanges(1, ((64, 1),))]}.get(broken, [ListChanges(1, ((5, 1),))])
    others = {"end": 9} if broken == "range" else {}
    events = [] if broken == "events" else [resumed]
    made = with_delta(plane, [resumed, valid], events, {1: statuses(i5=1)}, changes, **others)
    if broken == "file":
        plane.files[made.deltas[0].file.path] += b" "
    plane.reads.clear()
    update(snapshot, plane)
    assert {made.state.path, made.lists[0].path} & set(plane.reads), "the whole file is read instead"
    assert snapshot.status_of(REFERENCE) is INVALID
    assert snapshot.state.status_of(A) is VALID


def test_files_that_are_not_what_the_manifest_names(plane) -> None:
    made = read(plane).manifest
    good = dict(plane.files)
    other = statuses(i5=1)
    for path, replaced in (
        (made.state.path, good[made.state.path] + b" "),
        (made.state.path, b""),
        (made.state.path, b'{"events":[]}'),
        (made.lists[0].path, other.compress()),
        (made.lists[0].path, b""),
    ):
        plane.files = {**good, path: replaced}
        snapshot = Snapshot()
        with pytest.raises(SnapshotInvalid):
            update(snapshot, plane)
        assert snapshot.seen is None


def test_a_list_that_is_not_the_raw_one(plane) -> None:
    made = read(plane).manifest
    plane.show(replace(made, number=2, lists=(replace(made.lists[0], raw_sha256="00" * 32),)))
    with pytest.raises(SnapshotInvalid):
        update(Snapshot(), plane)


def test_events_in_files_are_verified_like_any(plane) -> None:
    """A manifest is no proof for an event that widens without one; a restriction beside it holds all the same."""
    snapshot = Snapshot()
    update(snapshot, plane)
    resumed, revoked = event(3, "artifacts/a", VALID), event(4, "artifacts/b", INVALID)
    packed = [pack_event(one.data, signature=sign(one.data)) for one in (resumed, revoked)]
    state = plane.put(canonical_json({"events": packed}))
    plane.publish([resumed, revoked], {1: statuses(i5=2)}, state=state)
    with pytest.raises(ProofMissing):
        update(snapshot, plane)
    assert snapshot.state.status_of(A) is SUSPENDED
    assert snapshot.state.status_of(B) is INVALID
    assert snapshot.seen is not None
    assert snapshot.seen.number == 1


def test_a_state_that_lacks_an_event_is_refused(plane) -> None:
    made = read(plane).manifest
    plane.show(replace(made, number=2, state_digest=b"x" * 32))
    with pytest.raises(StateDiffers):
        update(Snapshot(), plane)


def test_files_behind_a_stream_take_nothing_back(plane) -> None:
    snapshot = Snapshot()
    update(snapshot, plane)
    snapshot.state.apply(event(5, "artifacts/b", INVALID))
    snapshot.state.bookmark(sequence=9)
    plane.publish([event(1, "artifacts/a", SUSPENDED), event(2, "artifacts/b", VALID)], {1: statuses(i5=1)})
    assert update(snapshot, plane) == ()
    assert snapshot.state.status_of(B) is INVALID
    assert snapshot.status_of(REFERENCE) is INVALID, "the lists are newer all the same"


def test_a_status_of_another_kind_has_no_meaning(plane) -> None:
    plane.publish([], {1: statuses(i5=3)})
    snapshot = Snapshot()
    update(snapshot, plane)
    with pytest.raises(StatusListInvalid):
        snapshot.status_of(REFERENCE)


MANIFEST = ReadPlane().publish([event(1, "artifacts/a", VALID)], {1: statuses()}, leases_until={60: START}, deltas=())


@pytest.mark.parametrize(
    "change",
    [{"format": "hallmark-status/v2"}, {"number": 0}, {"number": True}, {"epoch": "00"}, {"previous": "00"}, {"more": 1},
     {"not_after": "2026-11-22T10:01:00.000000Z"}, {"state": {"sha256": "00"}}, {"state": {"sha256": "0" * 64, "size": 2**40}},
     {"lists": [{}]}, {"lists": {}}, {"deltas": [1]}, {"deltas": [{"from": 0, "sha256": "0" * 64, "size": 1}]},
     {"leases_until": {"01": "2026-11-22T10:01:00.000000Z"}}, {"leases_until": []}, {"tenant": ""}, {"iss": 1}],
    ids=str,
)  # fmt: skip
def test_what_is_no_manifest_is_refused(change) -> None:
    value = json.loads(MANIFEST.encode())
    assert Manifest.parse(canonical_json(value)) == MANIFEST
    with pytest.raises(SnapshotInvalid):
        Manifest.parse(canonical_json({**value, **change}))


@pytest.mark.parametrize("change", [{"bits": 3}, {"size": 3}, {"size": 2**30}, {"more": 1}, {"uri": ""}], ids=str)
def test_what_is_no_list_of_a_manifest_is_refused(change) -> None:
    value = json.loads(MANIFEST.encode())
    for lists in ([{**value["lists"][0], **change}], [*value["lists"], *value["lists"]]):
        with pytest.raises(SnapshotInvalid):
            Manifest.parse(canonical_json({**value, "lists": lists}))


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"events":{}}', b'{"events":[{}]}', b'{"events":[1],"from":1,"lists":[],"to":2}',
     b'{"events":[],"from":1,"lists":[{"changes":[[1]],"list":1}],"to":2}', b'{"events":[],"from":1,"lists":[1],"to":2}',
     b'{"events":[{"entry":null,"set":"!","signature":null,"tlog_proof":null}]}',
     b'{"events":[{"entry":null,"set":"","signature":1,"tlog_proof":null}]}'],
)  # fmt: skip
def test_what_is_no_file_of_a_manifest_is_refused(data) -> None:
    for parse in (parse_state, parse_delta):
        with pytest.raises(EventsError):
            parse(data)
