import hashlib
import uuid

import pytest

from hallmark_client import (
    Client,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    KeyVersionState,
    NotFound,
    PermissionDenied,
    SignatureInvalid,
    verify_file,
)
from hallmark_composite import verify


@pytest.fixture
def key(admin: Client) -> str:
    return admin.keys.create(f"key-{uuid.uuid4().hex[:12]}").name


@pytest.fixture
def backend(client_under_test) -> Client:
    return client_under_test("backend")


def test_a_signature_verifies_with_the_server_and_without(backend: Client, key: str) -> None:
    signed = backend.signing.sign(key, b"weights", context=b"models/v1")
    assert signed.key_version == f"{key}/versions/1"
    verified = backend.signing.verify(key, signed.signature, b"weights", context=b"models/v1")
    assert (verified.key_version, verified.state) == (signed.key_version, KeyVersionState.ACTIVE)
    public_key = backend.keys.public_key(signed.key_version).composite()
    verify(public_key, signed.signature, message=b"weights", context=b"models/v1")


def test_message_and_digest_are_the_same_to_a_signature(backend: Client, key: str) -> None:
    digest = hashlib.sha512(b"weights").digest()
    by_digest = backend.signing.sign(key, digest=digest)
    backend.signing.verify(key, by_digest.signature, b"weights")
    backend.signing.verify(key, backend.signing.sign(key, b"weights").signature, digest=digest)


def test_a_file_is_signed_by_its_hash(backend: Client, key: str, tmp_path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(3 * 1024 * 1024))
    signed = backend.signing.sign_file(key, file, context=b"models/v1")
    fact = verify_file(backend.keys.public_key(key).composite(), file, signed.signature, b"models/v1")
    assert fact.algorithm is signed.algorithm


def test_an_empty_message_can_be_signed(backend: Client, key: str) -> None:
    backend.signing.verify(key, backend.signing.sign(key, b"").signature, b"")


@pytest.mark.parametrize("change", ["message", "context", "first half", "second half", "length"])
def test_what_was_not_signed_does_not_verify(backend: Client, key: str, change: str) -> None:
    signature = bytearray(backend.signing.sign(key, b"weights", context=b"a").signature)
    message, context = b"weights", b"a"
    match change:
        case "message":
            message = b"other weights"
        case "context":
            context = b"b"
        case "first half":
            signature[100] ^= 1
        case "second half":
            signature[-1] ^= 1
        case "length":
            signature.append(0)
    with pytest.raises(SignatureInvalid) as refused:
        backend.signing.verify(key, bytes(signature), message, context=context)
    assert refused.value.reason == "SIGNATURE_INVALID"


def test_the_same_request_id_gets_the_same_signature(backend: Client, key: str) -> None:
    request_id = str(uuid.uuid4())
    first = backend.signing.sign(key, b"weights", request_id=request_id)
    again = backend.signing.sign(key, b"weights", request_id=request_id)
    assert again.replayed
    assert again.signature == first.signature
    assert again.log.event_key == first.log.event_key


def test_old_signatures_verify_after_a_rotation(admin: Client, backend: Client, key: str) -> None:
    old = backend.signing.sign(key, b"weights")
    admin.keys.rotate(key)
    assert backend.signing.sign(key, b"weights").key_version == f"{key}/versions/2"
    verified = backend.signing.verify(key, old.signature, b"weights")
    assert (verified.key_version, verified.state) == (f"{key}/versions/1", KeyVersionState.DEACTIVATED)
    with pytest.raises(FailedPrecondition) as refused:
        backend.signing.sign(f"{key}/versions/1", b"weights")
    assert refused.value.reason == "KEY_VERSION_NOT_ACTIVE"


def test_a_revoked_key_signs_no_more_and_still_verifies(admin: Client, backend: Client, key: str) -> None:
    old = backend.signing.sign(key, b"weights")
    admin.revocations.revoke(key, "KEY_COMPROMISE")
    with pytest.raises(FailedPrecondition) as refused:
        backend.signing.sign(key, b"weights")
    assert refused.value.reason == "KEY_REVOKED"
    assert backend.signing.verify(key, old.signature, b"weights").state is KeyVersionState.COMPROMISED


def test_verification_tells_of_a_revocation(admin: Client, backend: Client, key: str) -> None:
    """A version that was withdrawn is in the same state as one that was rotated out."""
    old = backend.signing.sign(key, b"weights")
    new = admin.keys.rotate(key).primary_version
    rotated_out = backend.signing.verify(key, old.signature, b"weights")
    assert (rotated_out.state, rotated_out.revoke_time) == (KeyVersionState.DEACTIVATED, None)
    admin.revocations.revoke(f"{key}/versions/1", "POLICY_VIOLATION")
    withdrawn = backend.signing.verify(key, old.signature, b"weights")
    assert withdrawn.state is KeyVersionState.DEACTIVATED
    assert withdrawn.revoke_time == admin.keys.get(key).versions[1].revoke_time is not None
    assert withdrawn.compromise_time is None
    admin.keys.report_compromise(f"{key}/versions/1")
    compromised = backend.signing.verify(key, old.signature, b"weights")
    assert compromised.compromise_time is not None
    sound = backend.signing.sign(key, b"weights")
    assert (sound.key_version, backend.signing.verify(key, sound.signature, b"weights").revoke_time) == (new, None)


def test_contexts_of_other_purposes_are_not_to_be_had(backend: Client, key: str) -> None:
    for context in (b"hallmark/manifest/v1", b"hallmark/trust-bundle/v1", b"hallmark/"):
        with pytest.raises(InvalidArgument) as refused:
            backend.signing.sign(key, b"m", context=context)
        assert refused.value.reason == "PURPOSE_MISMATCH"
    backend.signing.sign(key, b"m", context=b"hallmark")


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_a_digest_of_the_wrong_size_is_refused(backend: Client, key: str, size: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign(key, digest=bytes(size))
    assert refused.value.reason == "FIELD_INVALID"


def test_a_message_over_a_mebibyte_is_refused_with_advice(backend: Client, key: str) -> None:
    backend.signing.sign(key, bytes(1 << 20))
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign(key, bytes((1 << 20) + 1))
    assert refused.value.reason == "MESSAGE_TOO_LARGE"
    assert "digest" in refused.value.message


def test_a_message_that_no_connection_takes_is_refused_the_same_way(client_under_test, key: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        client_under_test("backend").signing.sign(key, bytes(9 << 20))
    assert refused.value.reason == "MESSAGE_TOO_LARGE"
    assert "digest" in refused.value.message


def test_a_context_has_at_most_255_bytes(backend: Client, key: str) -> None:
    backend.signing.sign(key, b"weights", context=bytes(255))
    with pytest.raises(InvalidArgument):
        backend.signing.sign(key, b"weights", context=bytes(256))


def test_a_key_that_is_not_there_does_not_sign(backend: Client) -> None:
    with pytest.raises(NotFound):
        backend.signing.sign("no-such-key", b"weights")


def test_the_services_own_keys_are_not_for_callers(backend: Client) -> None:
    with pytest.raises(NotFound):
        backend.signing.sign("tenants/system/keys/revocation-events", b"weights")


@pytest.mark.parametrize("role", ["auditor", "device"])
def test_readers_do_not_sign(client_under_test, key: str, role) -> None:
    with pytest.raises(PermissionDenied):
        client_under_test(role).signing.sign(key, b"weights")


def test_a_deadline_that_can_not_be_met_is_told(client_under_test, key: str) -> None:
    hasty = client_under_test("backend", timeout_seconds=1e-9)
    with pytest.raises(DeadlineExceeded):
        hasty.signing.sign(key, b"weights")
