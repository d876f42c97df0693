"""EventService over the wire: streams, polls, acknowledgements, and what happens to a device that is revoked."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from hallmark.v1 import events_pb2, events_pb2_grpc, keys_pb2, keys_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_composite import CompositePublicKey
from hallmark_events.batch import BatchPath
from hallmark_events.event_set import EventSet
from hallmark_events.heartbeat import HeartbeatEvidence, verify_heartbeat
from hallmark_events.state import FeedState
from hallmark_events.trust import Signature, check_signature
from hallmark_events.types import EVENT_CONTEXT
from rpc.test_gated_keys import Phone
from rpc.wire import PARENT, channel, credentials, fresh_id, fresh_name, read_refusal, refused
from support.service import RunningService

GLOBAL, DEVICE = events_pb2.FEED_GLOBAL, events_pb2.FEED_DEVICE
Response = events_pb2.WatchEventsResponse


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service) as opened:
        yield opened


@pytest.fixture
def phone(service: RunningService, tmp_path: Path) -> Phone:
    return Phone(service, tmp_path / "phone")


@pytest.fixture
def device(service: RunningService, phone: Phone, tmp_path: Path) -> Iterator[grpc.Channel]:
    with grpc.secure_channel(str(service.facts["address"]), credentials(tmp_path / "phone")) as opened:
        yield opened


def _stub(opened: grpc.Channel) -> events_pb2_grpc.EventServiceStub:
    return events_pb2_grpc.EventServiceStub(opened)


def _start(feed: int = GLOBAL, cursor: str = "") -> events_pb2.FeedStart:
    return events_pb2.FeedStart(feed=feed, cursor=cursor)


def _poll(opened: grpc.Channel, *feeds: events_pb2.FeedStart, **more) -> events_pb2.PollEventsResponse:
    request = events_pb2.PollEventsRequest(
        parent=PARENT, feeds=feeds or [_start()], **{"return_immediately": True, "max_events": 1000, **more}
    )
    return _stub(opened).PollEvents(request, timeout=30)


def _end(opened: grpc.Channel, feed: int = GLOBAL) -> str:
    """Cursor at the end of the feed now; other tests of this service leave events behind."""
    cursor = ""
    while True:
        answer = _poll(opened, _start(feed, cursor))
        cursor = [frame.cursor for frame in answer.sets if frame.cursor][-1]
        if not answer.more_available:
            return cursor


def _revoke(admin: grpc.Channel, subject: str) -> revocation_pb2.RevocationEvent:
    reason = revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE
    if "/devices/" in subject:
        reason = revocation_pb2.REVOCATION_REASON_DEVICE_COMPROMISED
    request = revocation_pb2.RevokeRequest(subject=subject, reason=reason, request_id=fresh_id())
    return revocation_pb2_grpc.RevocationServiceStub(admin).Revoke(request, timeout=20).event


def _new_key(admin: grpc.Channel) -> str:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    return keys_pb2_grpc.KeyServiceStub(admin).CreateKey(request, timeout=20).key.name


def _public_key(admin: grpc.Channel, version: str) -> CompositePublicKey:
    request = keys_pb2.GetPublicKeyRequest(name=version)
    return CompositePublicKey.from_spki_pem(keys_pb2_grpc.KeyServiceStub(admin).GetPublicKey(request, timeout=20).pem)


def _watch(opened: grpc.Channel, *feeds: events_pb2.FeedStart, **more) -> grpc.Call:
    request = events_pb2.WatchEventsRequest(parent=PARENT, feeds=feeds or [_start()], **more)
    return _stub(opened).WatchEvents(request, timeout=40)


def _take(frames: grpc.Call, kind: str) -> Response:
    return next(frame for frame in frames if frame.WhichOneof("frame") == kind)


def test_a_device_hears_of_a_revoked_key_at_once_and_the_event_verifies(admin, device) -> None:
    cursor, name = _end(device), _new_key(admin)
    frames = _watch(device, _start(cursor=cursor))
    _take(frames, "bookmark")
    _revoke(admin, name)
    event = _take(frames, "event").event
    frames.cancel()
    parsed = EventSet.parse(event.set)
    assert parsed.subject.startswith(name)
    keys = {event.signature.key_version: _public_key(admin, event.signature.key_version)}
    signature = Signature(key_version=event.signature.key_version, signature=event.signature.signature)
    check_signature(event.set, signature, keys, context=EVENT_CONTEXT)


def test_a_stream_and_a_poll_tell_the_same(admin, device) -> None:
    _revoke(admin, _new_key(admin))
    state = FeedState()
    for frame in _watch(device):
        match frame.WhichOneof("frame"):
            case "intent":
                state.begin_full(frame.intent.epoch)
            case "event":
                state.apply(EventSet.parse(frame.event.set))
            case "bookmark":
                state.commit_full(sequence=frame.bookmark.sequence, digest=frame.bookmark.state_digest)
                break
    told = {EventSet.parse(frame.event.set).jti for frame in _poll(device).sets if frame.HasField("event")}
    assert {entry.jti for entry in state.mirror.values()} <= told


def test_heartbeats_prove_freshness_over_the_callers_nonce(admin, device) -> None:
    nonce = bytes(range(32))
    frames = _watch(device, _start(), _start(DEVICE), nonce=nonce, heartbeat_interval={"seconds": 1})
    beat = _take(frames, "heartbeat").heartbeat
    frames.cancel()
    keys = {beat.signature.key_version: _public_key(admin, beat.signature.key_version)}
    evidence = HeartbeatEvidence(
        payload=beat.payload,
        signature=Signature(key_version=beat.signature.key_version, signature=beat.signature.signature),
        leaf=beat.leaf,
        path=BatchPath(beat.path.leaf_index, beat.path.tree_size, tuple(beat.path.path)),
    )
    assert verify_heartbeat(evidence, keys, nonce=nonce, parent=PARENT).feeds.keys() == {"device", "global"}


def test_a_revoked_device_is_told_and_its_stream_ends(admin, device, phone: Phone) -> None:
    frames = _watch(device, _start(DEVICE))
    _take(frames, "bookmark")
    _revoke(admin, phone.name)
    told = [next(frames) for _ in range(3)]
    assert [frame.WhichOneof("frame") for frame in told] == ["event", "bookmark", "goodbye"]
    assert EventSet.parse(told[0].event.set).subject == phone.name
    assert told[2].goodbye.reason == "revoked"
    with pytest.raises(grpc.RpcError) as refusal:
        next(frames)
    assert read_refusal(refusal.value).reason == "DEVICE_REVOKED"
    assert _refused_within(2, device) == "DEVICE_REVOKED"


def _refused_within(seconds: float, device: grpc.Channel) -> str:
    """The guard remembers for a second that a device may call."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            _poll(device, _start(DEVICE))
        except grpc.RpcError as error:
            return read_refusal(error).reason
        time.sleep(0.1)
    return ""


def test_a_poll_waits_for_an_event(admin, device) -> None:
    cursor, name = _end(device), _new_key(admin)
    timer = threading.Timer(0.5, _revoke, (admin, name))
    timer.start()
    answer = _poll(device, _start(cursor=cursor), return_immediately=False)
    timer.join()
    assert [frame.WhichOneof("frame") for frame in answer.sets][:2] == ["intent", "event"]


def test_acknowledgements_are_taken_once_and_for_all(admin, device) -> None:
    _revoke(admin, _new_key(admin))
    event = next(frame.event for frame in _poll(device).sets if frame.HasField("event"))
    jti = EventSet.parse(event.set).jti
    for _ in range(2):
        _stub(device).AcknowledgeEvents(
            events_pb2.AcknowledgeEventsRequest(parent=PARENT, ack=[jti, "unknown"]), timeout=20
        )
    bad = events_pb2.AcknowledgeEventsRequest(parent=PARENT, ack=["x"] * 1001)
    assert refused(_stub(device).AcknowledgeEvents, bad).reason == "FIELD_INVALID"


@pytest.mark.parametrize("role", ["admin", "backend", "auditor", "device"])
def test_the_feed_of_a_device_is_for_attested_devices(service: RunningService, role: str) -> None:
    request = events_pb2.PollEventsRequest(parent=PARENT, feeds=[_start(DEVICE)], return_immediately=True)
    with channel(service, role) as opened:
        refusal = refused(_stub(opened).PollEvents, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


@pytest.mark.parametrize("cursor", ["x", "A" * 88, "é"])
def test_a_cursor_that_is_not_ours_leads_to_a_full_transfer(admin, cursor: str) -> None:
    intent = next(iter(_watch(admin, _start(cursor=cursor)))).intent
    assert (intent.transfer, intent.reason) == (Response.Intent.TRANSFER_FULL, "CURSOR_INVALID")


def test_another_tenant_is_not_there(admin) -> None:
    request = events_pb2.PollEventsRequest(parent="tenants/other", feeds=[_start()])
    assert refused(_stub(admin).PollEvents, request).code is grpc.StatusCode.NOT_FOUND
