"""Batches, streams, formats and plain algorithms against the real server with a real token."""

import hashlib
from collections.abc import Iterator

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.rpc import error_details_pb2

from hallmark.v1 import common_pb2, keys_pb2, keys_pb2_grpc
from hallmark_composite import CompositePublicKey, verify
from kms.core.checksum import crc32c
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService


@pytest.fixture
def keys(service: RunningService) -> Iterator[keys_pb2_grpc.KeyServiceStub]:
    with channel(service) as opened:
        yield keys_pb2_grpc.KeyServiceStub(opened)


@pytest.fixture
def signing(service: RunningService) -> Iterator[keys_pb2_grpc.SigningServiceStub]:
    with channel(service, "backend") as opened:
        yield keys_pb2_grpc.SigningServiceStub(opened)


@pytest.fixture
def key(keys) -> keys_pb2.Key:
    return _create(keys)


def _create(keys, **more) -> keys_pb2.Key:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), **more)
    return keys.CreateKey(request, timeout=20).key


def _public(keys, name: str) -> keys_pb2.PublicKey:
    return keys.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=name), timeout=20)


def _item(name: str, **more) -> keys_pb2.SignRequest:
    return keys_pb2.SignRequest(**{"name": name, "data": b"m", "request_id": fresh_id(), **more})


def _header(name: str, **more) -> keys_pb2.SignStreamRequest:
    return keys_pb2.SignStreamRequest(header=keys_pb2.SignRequest(name=name, request_id=fresh_id(), **more))


def _chunk(data: bytes) -> keys_pb2.SignStreamRequest:
    return keys_pb2.SignStreamRequest(chunk=data)


def test_an_item_fails_as_the_single_call_would(signing, key) -> None:
    items = [_item(key.name), _item("tenants/other/keys/x"), _item(key.name, input_crc32c=1), _item(key.name, format=2)]
    request = keys_pb2.BatchSignRequest(parent=PARENT, requests=items)
    results = signing.BatchSign(request, timeout=20).results
    assert [result.WhichOneof("outcome") for result in results] == ["response", "error", "error", "error"]
    for item, result in zip(items[1:], results[1:], strict=True):
        alone = refused(signing.Sign, item)
        info = error_details_pb2.ErrorInfo()
        assert result.error.details[0].Unpack(info)
        assert (info.reason, info.domain) == (alone.reason, "hallmark.v1")
        assert (result.error.code, result.error.message) == (alone.code.value[0], alone.message)
        assert info.metadata["call_id"]


def test_a_batch_of_one_tenant_holds_no_names_of_another(signing, key) -> None:
    refusal = refused(signing.BatchSign, keys_pb2.BatchSignRequest(parent="tenants/other", requests=[_item(key.name)]))
    assert refusal.reason == "RESOURCE_NOT_FOUND"


def test_a_full_batch_is_signed_and_logged(signing, keys, key) -> None:
    digests = [hashlib.sha512(b"%d" % number).digest() for number in range(512)]
    items = [_item(key.name, data=None, digest=digest, input_crc32c=crc32c(digest)) for digest in digests]
    results = signing.BatchSign(keys_pb2.BatchSignRequest(parent=PARENT, requests=items), timeout=60).results
    public = CompositePublicKey.from_spki_pem(_public(keys, key.name).pem)
    for digest, result in zip(digests, results, strict=True):
        verify(public, result.response.signature, digest=digest)
    assert len({result.response.log.leaf_hash for result in results}) == 512
    assert keys.GetKey(keys_pb2.GetKeyRequest(name=key.name), timeout=20).use_count == 512


def test_a_stream_is_signed_like_the_whole_message(signing, keys, key) -> None:
    message = bytes(range(256)) * 8192
    parts = [_header(key.name, context=b"models/v1", input_crc32c=crc32c(message))]
    parts += [_chunk(message[start : start + (1 << 20)]) for start in range(0, len(message), 1 << 20)]
    answer = signing.SignStream(iter([*parts, _chunk(b"")]), timeout=30)
    assert answer.verified_input_crc32c
    public = CompositePublicKey.from_spki_pem(_public(keys, key.name).pem)
    verify(public, answer.signature, message=message, context=b"models/v1")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "STREAM_INVALID"),
        ([_chunk(b"m")], "STREAM_INVALID"),
        (["header"], "STREAM_INVALID"),
        (["header", "header", _chunk(b"m")], "STREAM_INVALID"),
        (["header", _chunk(b"")], "STREAM_INVALID"),
        (["header", _chunk(b"half")], "STREAM_INVALID"),
        (["header", _chunk(b"m"), _chunk(b""), _chunk(b"more")], "STREAM_INVALID"),
        (["header", _chunk(bytes((1 << 20) + 1))], "STREAM_INVALID"),
        (["header", keys_pb2.SignStreamRequest()], "STREAM_INVALID"),
        (["with input", _chunk(b"m")], "STREAM_INVALID"),
        (["with format", _chunk(b"m")], "FORMAT_UNSUPPORTED"),
        (["with checksum", _chunk(b"m"), _chunk(b"")], "CHECKSUM_MISMATCH"),
        (["without request id", _chunk(b"m"), _chunk(b"")], "REQUEST_ID_INVALID"),
        (["of nobody", _chunk(b"m")], "RESOURCE_NOT_FOUND"),
    ],
)
def test_a_stream_that_can_not_be_right_is_told_why(signing, key, parts, reason: str) -> None:
    headers = {
        "header": _header(key.name),
        "with input": _header(key.name, data=b"m"),
        "with format": _header(key.name, format=keys_pb2.SIGNATURE_FORMAT_JWS),
        "with checksum": _header(key.name, input_crc32c=1),
        "without request id": keys_pb2.SignStreamRequest(header=keys_pb2.SignRequest(name=key.name)),
        "of nobody": _header("tenants/default/keys/nobody"),
    }
    sent = [headers[part] if isinstance(part, str) else part for part in parts]
    assert refused(signing.SignStream, iter(sent)).reason == reason


def test_the_guard_stands_before_streams_too(service: RunningService, key) -> None:
    with channel(service, "device") as opened:
        stub = keys_pb2_grpc.SigningServiceStub(opened)
        refusal = refused(stub.SignStream, iter([_header(key.name), _chunk(b"m")]))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
    audited = [line for line in service.audit() if str(line["method"]).endswith("/SignStream")]
    assert audited[-1]["reason"] == "ROLE_NOT_ALLOWED"


def test_a_slow_stream_ends_at_its_deadline(signing, key) -> None:
    import time

    def slowly() -> Iterator[keys_pb2.SignStreamRequest]:
        yield _header(key.name)
        time.sleep(1.5)

    with pytest.raises(grpc.RpcError) as ended:
        signing.SignStream(slowly(), timeout=0.5)
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_plain_keys_sign_what_everybody_can_verify(signing, keys) -> None:
    ecdsa = _create(keys, algorithm=common_pb2.ALGORITHM_ECDSA_P384_SHA384)
    answer = signing.Sign(_item(ecdsa.name), timeout=20)
    public = load_pem_public_key(_public(keys, ecdsa.name).pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(answer.signature, b"m", ec.ECDSA(hashes.SHA384()))
    assert answer.protection_level == common_pb2.PROTECTION_LEVEL_HSM
    for algorithm in (common_pb2.ALGORITHM_ED25519, common_pb2.ALGORITHM_ML_DSA_65):
        plain = _create(keys, algorithm=algorithm)
        answer = signing.Sign(_item(plain.name), timeout=20)
        load_pem_public_key(_public(keys, plain.name).pem.encode()).verify(answer.signature, b"m")  # type: ignore[union-attr]
        check = keys_pb2.VerifyRequest(name=plain.name, data=b"m", signature=answer.signature)
        assert signing.Verify(check, timeout=20).key_version == answer.key_version


def test_batches_are_audited_with_their_size_and_charged_for_it(service: RunningService, signing, key) -> None:
    request = keys_pb2.BatchSignRequest(parent=PARENT, requests=[_item(key.name) for _ in range(7)])
    signing.BatchSign(request, timeout=20)
    audited = [line for line in service.audit() if str(line["method"]).endswith("/BatchSign")]
    assert audited[-1]["items"] == 7


def test_many_are_verified_at_once_and_each_failure_is_typed(signing, key) -> None:
    answer = signing.Sign(_item(key.name), timeout=20)
    right = keys_pb2.VerifyRequest(name=key.name, data=b"m", signature=answer.signature)
    wrong = keys_pb2.VerifyRequest(name=key.name, data=b"n", signature=answer.signature)
    results = signing.BatchVerify(
        keys_pb2.BatchVerifyRequest(parent=PARENT, requests=[right, wrong]), timeout=20
    ).results
    assert results[0].response.key_version == answer.key_version
    info = error_details_pb2.ErrorInfo()
    assert results[1].error.details[0].Unpack(info)
    assert info.reason == "SIGNATURE_INVALID"
