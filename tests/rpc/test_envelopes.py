"""Envelopes over the wire: keys in a real token, plaintexts nowhere but in answers."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from hallmark.v1 import common_pb2, envelopes_pb2, envelopes_pb2_grpc, keys_pb2, keys_pb2_grpc
from hallmark_composite import CompositePublicKey, verify
from hallmark_envelope import HpkeKem, seal_envelope
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService, running_service

SECRET = b"the patient's pulse is sixty-one"


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service) as opened:
        yield opened


@pytest.fixture
def key(admin: grpc.Channel) -> str:
    return _new_key(admin)


def _new_key(admin: grpc.Channel) -> str:
    request = keys_pb2.CreateKeyRequest(
        parent=PARENT, key_id=fresh_name(), purpose=keys_pb2.KEY_PURPOSE_ENVELOPE, request_id=fresh_id()
    )
    return keys_pb2_grpc.KeyServiceStub(admin).CreateKey(request, timeout=20).key.name


def _stub(opened: grpc.Channel) -> envelopes_pb2_grpc.EnvelopeServiceStub:
    return envelopes_pb2_grpc.EnvelopeServiceStub(opened)


def _stated(opened: grpc.Channel, name: str) -> envelopes_pb2.EnvelopeKey:
    return _stub(opened).GetEnvelopeKey(envelopes_pb2.GetEnvelopeKeyRequest(name=name), timeout=20)


def _seal(stated: envelopes_pb2.EnvelopeKey, plaintext: bytes = SECRET, info: bytes = b"") -> bytes:
    return seal_envelope(stated.public_key, HpkeKem(stated.kem_id), plaintext, info=info)


def _opening(name: str, envelope: bytes, **more) -> envelopes_pb2.OpenEnvelopeRequest:
    return envelopes_pb2.OpenEnvelopeRequest(**{"name": name, "envelope": envelope, "request_id": fresh_id(), **more})


def test_sealed_on_a_device_opened_by_a_backend(service: RunningService, admin: grpc.Channel, key: str) -> None:
    with channel(service, "device") as device, channel(service, "backend") as backend:
        stated = _stated(device, key)
        public = keys_pb2_grpc.KeyServiceStub(device).GetPublicKey(
            keys_pb2.GetPublicKeyRequest(name=stated.signature.key_version), timeout=20
        )
        signer = CompositePublicKey.from_spki_pem(public.pem)
        verify(signer, stated.signature.signature, message=stated.payload, context=b"hallmark/envelope-key/v1")
        envelope = _seal(stated, info=b"pulse/v1")
        request = _opening(stated.name, envelope, info=b"pulse/v1", log_wait=common_pb2.LOG_WAIT_PUBLISHED)
        opened = _stub(backend).OpenEnvelope(request, timeout=20)
        assert opened.plaintext == SECRET
        assert opened.log.tlog_proof
        again = _stub(backend).OpenEnvelope(request, timeout=20)
        assert (again.plaintext, again.log.event_key) == (SECRET, opened.log.event_key)
        assert refused(_stub(device).OpenEnvelope, request).reason == "ROLE_NOT_ALLOWED"


def test_the_plaintext_stays_out_of_files_and_logs(service: RunningService, admin: grpc.Channel, key: str) -> None:
    stated = _stated(admin, key)
    marked = b"plaintext-marker-" + fresh_id().encode()
    _stub(admin).OpenEnvelope(_opening(stated.name, _seal(stated, marked)), timeout=20)
    made = _stub(admin).GenerateDataKey(
        envelopes_pb2.GenerateDataKeyRequest(name=key, request_id=fresh_id()), timeout=20
    )
    for path in service.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert marked not in content, path
            assert made.plaintext not in content, path


@pytest.mark.parametrize("damage", ["info", "bytes", "short", "empty"])
def test_no_answer_tells_why_it_does_not_open(admin: grpc.Channel, key: str, damage: str) -> None:
    stated = _stated(admin, key)
    envelope = _seal(stated, info=b"a")
    request = _opening(stated.name, envelope, info=b"a")
    match damage:
        case "info":
            request.info = b"b"
        case "bytes":
            request.envelope = envelope[:-1] + bytes([envelope[-1] ^ 1])
        case "short":
            request.envelope = envelope[:40]
        case _:
            request.envelope = b""
    refusal = refused(_stub(admin).OpenEnvelope, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ENVELOPE_INVALID")
    assert refusal.message == "the envelope does not open with this key version and this info"


def test_a_batch_answers_each(admin: grpc.Channel, key: str) -> None:
    stated = _stated(admin, key)
    requests = [_opening(stated.name, _seal(stated, bytes([number]))) for number in range(256)]
    requests[3].envelope = b"rubbish"
    batch = envelopes_pb2.OpenEnvelopesRequest(parent=PARENT, requests=requests)
    results = _stub(admin).OpenEnvelopes(batch, timeout=30).results
    info = error_details_pb2.ErrorInfo()
    assert results[3].error.details[0].Unpack(info)
    assert (info.reason, results[3].error.code) == ("ENVELOPE_INVALID", grpc.StatusCode.INVALID_ARGUMENT.value[0])
    others = [result.response.plaintext for number, result in enumerate(results) if number != 3]
    assert others == [bytes([number]) for number in range(256) if number != 3]
    batch.requests.append(requests[0])
    assert refused(_stub(admin).OpenEnvelopes, batch).reason == "BATCH_TOO_LARGE"


def test_data_keys_and_epochs(service: RunningService, admin: grpc.Channel, key: str) -> None:
    request = envelopes_pb2.GenerateDataKeyRequest(name=key, info=b"disk", request_id=fresh_id())
    made = _stub(admin).GenerateDataKey(request, timeout=20)
    assert _stub(admin).GenerateDataKey(request, timeout=20) == made
    opening = _opening(made.key_version, made.envelope, info=b"disk")
    assert _stub(admin).OpenEnvelope(opening, timeout=20).plaintext == made.plaintext
    shred = envelopes_pb2.ShredEpochRequest(name=made.key_version, request_id=fresh_id())
    assert refused(_stub(admin).ShredEpoch, shred).reason == "STATE_TRANSITION_INVALID"
    rotate = keys_pb2.RotateKeyRequest(name=key, request_id=fresh_id())
    keys_pb2_grpc.KeyServiceStub(admin).RotateKey(rotate, timeout=20)
    assert _stated(admin, key).name == f"{key}/versions/2"
    shredding = _stub(admin).ShredEpoch(shred, timeout=20)
    assert not shredding.replayed
    assert _stub(admin).ShredEpoch(shred, timeout=20).replayed
    opening.request_id = fresh_id()
    assert refused(_stub(admin).OpenEnvelope, opening).reason == "KEY_VERSION_NOT_ACTIVE"
    assert refused(_stub(admin).GenerateDataKey, request).reason == "KEY_VERSION_NOT_ACTIVE"
    state = keys_pb2_grpc.KeyServiceStub(admin).GetKey(keys_pb2.GetKeyRequest(name=key), timeout=20)
    assert state.versions[1].state == keys_pb2.KEY_VERSION_STATE_DESTROYED


def test_envelopes_survive_a_kill(tmp_path: Path) -> None:
    with running_service(tmp_path / "killed") as service:
        with channel(service) as opened:
            stated = _stated(opened, _new_key(opened))
            envelope = _seal(stated)
        service.kill()
        service.start()
        with channel(service) as opened:
            assert _stub(opened).OpenEnvelope(_opening(stated.name, envelope), timeout=20).plaintext == SECRET
