import base64
import json
from collections.abc import Iterator

import grpc
import pytest

from hallmark.v1 import keys_pb2, keys_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_composite import CompositePublicKey, verify
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service) as opened:
        yield opened


def _new_key(admin: grpc.Channel) -> str:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    return keys_pb2_grpc.KeyServiceStub(admin).CreateKey(request, timeout=20).key.name


def _revoke(subject: str, **more) -> revocation_pb2.RevokeRequest:
    reason = revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE
    return revocation_pb2.RevokeRequest(**{"subject": subject, "reason": reason, "request_id": fresh_id(), **more})


def _stub(opened: grpc.Channel) -> revocation_pb2_grpc.RevocationServiceStub:
    return revocation_pb2_grpc.RevocationServiceStub(opened)


def _watch(stub, cursor: str = "", **more):
    request = revocation_pb2.WatchRevocationsRequest(parent=PARENT, cursor=cursor, **more)
    return stub.WatchRevocations(request, timeout=30)


def test_a_revoked_key_signs_no_more_and_the_event_verifies_by_itself(admin) -> None:
    name = _new_key(admin)
    event = _stub(admin).Revoke(_revoke(name), timeout=20).event
    sign = keys_pb2.SignRequest(name=name, data=b"x", request_id=fresh_id())
    assert refused(keys_pb2_grpc.SigningServiceStub(admin).Sign, sign).reason == "KEY_REVOKED"
    claims = json.loads(event.payload)
    assert name in json.dumps(claims["sub_id"])
    assert claims["jti"]
    assert not {"exp", "sub"} & set(claims), "SSF forbids both"
    public = keys_pb2_grpc.KeyServiceStub(admin).GetPublicKey(
        keys_pb2.GetPublicKeyRequest(name=event.signature.key_version), timeout=20
    )
    key = CompositePublicKey.from_spki_pem(public.pem)
    verify(key, event.signature.signature, message=event.payload, context=event.signature.context.encode())
    again = _stub(admin).Revoke(_revoke(name), timeout=20)
    assert (again.event.name, again.replayed) == (event.name, True)
    state = keys_pb2_grpc.KeyServiceStub(admin).GetKey(keys_pb2.GetKeyRequest(name=name), timeout=20)
    assert state.versions[0].state == keys_pb2.KEY_VERSION_STATE_COMPROMISED


def test_a_watching_auditor_hears_of_it_and_resumes_where_it_was(service: RunningService, admin) -> None:
    first = _stub(admin).Revoke(_revoke(_new_key(admin)), timeout=20).event
    with channel(service, "auditor") as opened:
        stream = _watch(_stub(opened))
        frames = []
        for frame in stream:
            frames.append(frame)
            if frame.WhichOneof("frame") == "bookmark":
                break
        assert first.name in {frame.event.name for frame in frames}
        live = _stub(admin).Revoke(_revoke(_new_key(admin)), timeout=20).event
        arrived = next(frame for frame in stream if frame.WhichOneof("frame") == "event")
        assert (arrived.event.name, arrived.event.payload) == (live.name, live.payload)
        stream.cancel()
        missed = _stub(admin).Revoke(_revoke(_new_key(admin)), timeout=20).event
        resumed = next(frame for frame in _watch(_stub(opened), arrived.cursor) if frame.HasField("event"))
        assert resumed.event.name == missed.name


def test_heartbeats_prove_freshness_over_the_watchers_own_nonce(service: RunningService, admin) -> None:
    nonce = bytes(range(32))
    request = revocation_pb2.WatchRevocationsRequest(parent=PARENT, nonce=nonce)
    request.heartbeat_interval.FromSeconds(1)
    with channel(service, "auditor") as opened:
        frames = _stub(opened).WatchRevocations(request, timeout=30)
        beat = next(frame.heartbeat for frame in frames if frame.HasField("heartbeat"))
        frames.cancel()
    assert base64.b64encode(nonce).decode().rstrip("=") in beat.payload.decode()
    public = keys_pb2_grpc.KeyServiceStub(admin).GetPublicKey(
        keys_pb2.GetPublicKeyRequest(name=beat.signature.key_version), timeout=20
    )
    key = CompositePublicKey.from_spki_pem(public.pem)
    verify(key, beat.signature.signature, message=beat.payload, context=beat.signature.context.encode())


def test_lists_come_in_pages_and_end_in_a_cursor(admin) -> None:
    names = [_stub(admin).Revoke(_revoke(_new_key(admin)), timeout=20).event.name for _ in range(3)]
    seen, token = [], ""
    while True:
        request = revocation_pb2.ListRevocationsRequest(parent=PARENT, page_size=2, page_token=token)
        page = _stub(admin).ListRevocations(request, timeout=20)
        seen += [event.name for event in page.events]
        token = page.next_page_token
        if not token:
            break
    assert seen[-3:] == names
    next_frame = next(iter(_watch(_stub(admin), page.cursor)))
    assert next_frame.WhichOneof("frame") == "bookmark"


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"subject": f"{PARENT}/keys/unknown"}, "NOT_FOUND", "RESOURCE_NOT_FOUND"),
        ({"subject": f"{PARENT}/models/x"}, "INVALID_ARGUMENT", "NAME_INVALID"),
        ({"subject": "tenants/other/keys/x"}, "NOT_FOUND", "RESOURCE_NOT_FOUND"),
        ({"reason": 0}, "INVALID_ARGUMENT", "FIELD_INVALID"),
        ({"request_id": ""}, "INVALID_ARGUMENT", "REQUEST_ID_INVALID"),
    ],
)
def test_bad_revocations_get_a_typed_sentence(admin, change: dict, code: str, reason: str) -> None:
    refusal = refused(_stub(admin).Revoke, _revoke(**{"subject": f"{PARENT}/keys/x", **change}))
    assert (refusal.code.name, refusal.reason) == (code, reason)


def test_the_future_can_not_be_revoked(admin) -> None:
    request = _revoke(_new_key(admin))
    request.effective_time.FromJsonString("2100-01-01T00:00:00Z")
    assert refused(_stub(admin).Revoke, request).reason == "FIELD_INVALID"


@pytest.mark.parametrize("cursor", ["x", "A" * 88, "é", "A" * 10_000])
def test_a_cursor_that_is_not_ours_is_refused(admin, cursor: str) -> None:
    frames = _watch(_stub(admin), cursor)
    refusal = refused(lambda *_args, **_more: next(iter(frames)), None)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")
