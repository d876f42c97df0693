import hashlib
from collections.abc import Iterator

import grpc
import pytest

from hallmark.v1 import common_pb2, keys_pb2, keys_pb2_grpc
from hallmark_composite import CompositePublicKey, InvalidSignature, verify
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


def _create(keys: keys_pb2_grpc.KeyServiceStub, **more) -> keys_pb2.Key:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), **more)
    return keys.CreateKey(request, timeout=20).key


def _sign(name: str, **more) -> keys_pb2.SignRequest:
    return keys_pb2.SignRequest(**{"name": name, "data": b"weights", "request_id": fresh_id(), **more})


@pytest.mark.parametrize("algorithm", range(1, 4), ids=common_pb2.Algorithm.Name)
def test_a_signature_verifies_offline_with_the_published_key(keys, signing, algorithm: int) -> None:
    key = _create(keys, algorithm=algorithm)
    answer = signing.Sign(_sign(key.name, context=b"model-manifest/v1"), timeout=20)
    public = keys.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=answer.key_version), timeout=20)
    assert public.public_key_crc32c == crc32c(public.public_key)
    offline = CompositePublicKey.from_spki_pem(public.pem)
    assert public.public_key == offline.raw
    verify(offline, answer.signature, message=b"weights", context=b"model-manifest/v1")
    with pytest.raises(InvalidSignature):
        verify(offline, answer.signature, message=b"weights", context=b"another")
    assert answer.protection_level == common_pb2.PROTECTION_LEVEL_HSM_WRAPPED
    levels = {component.algorithm: component.protection_level for component in key.versions[0].components}
    assert set(levels.values()) == {common_pb2.PROTECTION_LEVEL_HSM_WRAPPED, common_pb2.PROTECTION_LEVEL_HSM}


def test_a_digest_is_as_good_as_the_message(keys, signing) -> None:
    key = _create(keys)
    digest = hashlib.sha512(b"weights").digest()
    answer = signing.Sign(_sign(key.name, data=None, digest=digest, input_crc32c=crc32c(digest)), timeout=20)
    assert answer.verified_input_crc32c
    assert answer.signature_crc32c == crc32c(answer.signature)
    check = keys_pb2.VerifyRequest(name=key.name, data=b"weights", signature=answer.signature)
    assert signing.Verify(check, timeout=20).key_version == answer.key_version


def test_the_same_request_id_gives_the_same_signature_and_another_body_is_refused(keys, signing) -> None:
    key = _create(keys)
    request = _sign(key.name)
    first, again = signing.Sign(request, timeout=20), signing.Sign(request, timeout=20)
    assert (first.signature, first.log.event_key) == (again.signature, again.log.event_key)
    assert (first.replayed, again.replayed) == (False, True)
    other = refused(signing.Sign, _sign(key.name, data=b"other", request_id=request.request_id))
    assert (other.code, other.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


def test_rotation_makes_a_new_primary_and_the_old_signature_still_verifies(keys, signing) -> None:
    key = _create(keys)
    old = signing.Sign(_sign(key.name), timeout=20)
    request = keys_pb2.RotateKeyRequest(name=key.name, etag=key.etag, request_id=fresh_id())
    rotated = keys.RotateKey(request, timeout=20)
    assert rotated.key.primary_version == f"{key.name}/versions/2"
    assert [version.state for version in rotated.key.versions] == [
        keys_pb2.KEY_VERSION_STATE_ACTIVE,
        keys_pb2.KEY_VERSION_STATE_DEACTIVATED,
    ]
    assert keys.RotateKey(request, timeout=20).replayed
    assert keys.GetKey(keys_pb2.GetKeyRequest(name=key.name), timeout=20).etag == rotated.key.etag != key.etag
    new = signing.Sign(_sign(key.name), timeout=20)
    assert new.key_version.endswith("/versions/2")
    check = keys_pb2.VerifyRequest(name=key.name, data=b"weights", signature=old.signature)
    assert signing.Verify(check, timeout=20).key_version == old.key_version
    late = refused(keys.RotateKey, keys_pb2.RotateKeyRequest(name=key.name, etag=key.etag, request_id=fresh_id()))
    assert (late.code, late.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    rotated_out = refused(signing.Sign, _sign(old.key_version))
    assert (rotated_out.code, rotated_out.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "KEY_VERSION_NOT_ACTIVE")
    assert rotated_out.details["PreconditionFailure"].violations[0].subject == old.key_version


def test_lists_come_in_pages_and_hold_no_service_keys(keys) -> None:
    made = {_create(keys).name for _ in range(3)}
    seen, token = [], ""
    while True:
        page = keys.ListKeys(keys_pb2.ListKeysRequest(parent=PARENT, page_size=2, page_token=token), timeout=20)
        assert len(page.keys) <= 2
        seen += [key.name for key in page.keys]
        token = page.next_page_token
        if not token:
            break
    assert made <= set(seen)
    assert seen == sorted(seen)
    assert not [name for name in seen if name.startswith("tenants/system")]
    assert (
        refused(keys.ListKeys, keys_pb2.ListKeysRequest(parent=PARENT, page_token="%")).reason == "PAGE_TOKEN_INVALID"
    )


def test_the_services_own_keys_are_public_and_cannot_be_told_to_sign(keys, signing) -> None:
    name = "tenants/system/keys/revocation-events"
    assert keys.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=name), timeout=20).pem
    assert refused(signing.Sign, _sign(name)).code is grpc.StatusCode.NOT_FOUND
    report = keys_pb2.ReportKeyCompromiseRequest(name=name, request_id=fresh_id())
    assert refused(keys.ReportKeyCompromise, report).code is grpc.StatusCode.NOT_FOUND


def test_capabilities_say_what_is_live(keys) -> None:
    found = keys.GetCapabilities(keys_pb2.GetCapabilitiesRequest(), timeout=20)
    assert found.hsm.usable
    assert not found.hsm.native_mldsa
    assert found.tls_group == "X25519MLKEM768"
    assert [engine.name for engine in found.engines if engine.signs] != [
        engine.name for engine in found.engines if engine.verifies_releases
    ]
    assert len(found.log.verifier_keys) == 2


@pytest.mark.parametrize(
    ("change", "code", "reason", "field"),
    [
        ({"name": f"{PARENT}/keys/unknown"}, "NOT_FOUND", "RESOURCE_NOT_FOUND", None),
        ({"name": "tenants/other/keys/unknown"}, "NOT_FOUND", "RESOURCE_NOT_FOUND", None),
        ({"name": "nonsense"}, "INVALID_ARGUMENT", "NAME_INVALID", "name"),
        ({"data": b"x" * (2**20 + 1)}, "INVALID_ARGUMENT", "MESSAGE_TOO_LARGE", "data"),
        ({"data": None}, "INVALID_ARGUMENT", "FIELD_INVALID", "input"),
        ({"data": None, "digest": b"short"}, "INVALID_ARGUMENT", "FIELD_INVALID", "digest"),
        ({"context": b"x" * 256}, "INVALID_ARGUMENT", "FIELD_INVALID", "context"),
        ({"input_crc32c": 1}, "INVALID_ARGUMENT", "CHECKSUM_MISMATCH", "input_crc32c"),
        ({"request_id": "not a uuid"}, "INVALID_ARGUMENT", "REQUEST_ID_INVALID", "request_id"),
    ],
)
def test_bad_requests_get_a_typed_sentence(keys, signing, change: dict, code: str, reason: str, field) -> None:
    known = _create(keys).name
    refusal = refused(signing.Sign, _sign(**{"name": known, **change}))
    assert (refusal.code.name, refusal.reason) == (code, reason)
    assert len(refusal.message) > 15
    if field is not None:
        assert refusal.details["BadRequest"].field_violations[0].field == field


def test_what_does_not_verify_is_an_error_not_a_boolean(keys, signing) -> None:
    key = _create(keys)
    answer = signing.Sign(_sign(key.name), timeout=20)
    for signature in (answer.signature[:-1] + bytes([answer.signature[-1] ^ 1]), b"", b"x" * 3381):
        check = keys_pb2.VerifyRequest(name=key.name, data=b"weights", signature=signature)
        assert refused(signing.Verify, check).reason == "SIGNATURE_INVALID"


def test_a_taken_name_is_refused(keys) -> None:
    key = _create(keys)
    again = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=key.name.rpartition("/")[2], request_id=fresh_id())
    assert refused(keys.CreateKey, again).reason == "KEY_EXISTS"
    bad = keys_pb2.CreateKeyRequest(parent=PARENT, key_id="Bad_Name", request_id=fresh_id())
    assert refused(keys.CreateKey, bad).details["BadRequest"].field_violations[0].field == "key_id"


def test_a_message_beyond_the_transport_limit_is_refused_and_the_server_stays_up(keys, signing) -> None:
    key = _create(keys)
    with pytest.raises(grpc.RpcError) as error:
        signing.Sign(_sign(key.name, data=b"x" * (5 * 2**20)), timeout=20)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert signing.Sign(_sign(key.name), timeout=20).signature
