"""Batches and streams, for every server the client may meet."""

import hashlib
import uuid
from pathlib import Path

import pytest

from hallmark_client import (
    AlreadyExists,
    Client,
    FailedPrecondition,
    HallmarkError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Signature,
    SignatureInvalid,
    ToSign,
    ToVerify,
    Verified,
)
from hallmark_composite import verify


@pytest.fixture
def key(admin: Client) -> str:
    return admin.keys.create(f"key-{uuid.uuid4().hex[:12]}").name


@pytest.fixture
def backend(client_under_test) -> Client:
    return client_under_test("backend")


def _signatures(answers: list[Signature | HallmarkError]) -> list[Signature]:
    assert all(isinstance(answer, Signature) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Signature)]


def test_every_item_of_a_batch_gets_its_own_signature(backend: Client, key: str) -> None:
    messages = [b"weights %d" % number for number in range(40)]
    signed = _signatures(backend.signing.sign_many([ToSign(name=key, data=message) for message in messages]))
    public_key = backend.keys.public_key(key).composite()
    for message, each in zip(messages, signed, strict=True):
        verify(public_key, each.signature, message=message)
    assert len({each.log.event_key for each in signed}) == 40, "one log entry for each"
    assert not any(each.replayed for each in signed)


def test_items_stand_and_fall_alone(backend: Client, key: str) -> None:
    items = [
        ToSign(name=key, data=b"good"),
        ToSign(name="nobody", data=b"m"),
        ToSign(name=key, digest=b"short"),
        ToSign(name="Not A Name", data=b"m"),
        ToSign(name=key, data=b"m", request_id="not a uuid"),
        ToSign(name=key, data=b"good too", context=b"models/v1"),
    ]
    answers = backend.signing.sign_many(items)
    assert [type(answer) for answer in answers] == [
        Signature,
        NotFound,
        InvalidArgument,
        InvalidArgument,
        InvalidArgument,
        Signature,
    ]
    reasons = [answer.reason for answer in answers if isinstance(answer, HallmarkError)]
    assert reasons == ["RESOURCE_NOT_FOUND", "FIELD_INVALID", "NAME_INVALID", "REQUEST_ID_INVALID"]


def test_a_batch_that_is_sent_again_gives_the_same_signatures(backend: Client, key: str) -> None:
    items = [ToSign(name=key, data=b"%d" % number, request_id=str(uuid.uuid4())) for number in range(5)]
    first = _signatures(backend.signing.sign_many(items))
    again = _signatures(backend.signing.sign_many([*items, ToSign(name=key, data=b"new")]))
    assert [each.signature for each in again[:5]] == [each.signature for each in first]
    assert [each.replayed for each in again] == [True] * 5 + [False]
    assert [each.log.event_key for each in again[:5]] == [each.log.event_key for each in first]


def test_a_retry_may_come_alone_or_in_a_batch(backend: Client, key: str) -> None:
    request_id = str(uuid.uuid4())
    alone = backend.signing.sign(key, b"m", request_id=request_id)
    [together] = _signatures(backend.signing.sign_many([ToSign(name=key, data=b"m", request_id=request_id)]))
    assert (together.signature, together.replayed) == (alone.signature, True)


def test_one_request_id_for_two_messages_is_refused_for_the_second(backend: Client, key: str) -> None:
    request_id = str(uuid.uuid4())
    items = [ToSign(name=key, data=data, request_id=request_id) for data in (b"a", b"b", b"a")]
    first, other, twin = backend.signing.sign_many(items)
    assert isinstance(first, Signature)
    assert isinstance(other, AlreadyExists)
    assert other.reason == "REQUEST_ID_REUSED"
    assert isinstance(twin, Signature)
    assert (twin.signature, twin.replayed) == (first.signature, True)


def test_the_proofs_of_a_batch_can_be_waited_for(backend: Client, key: str) -> None:
    items = [ToSign(name=key, data=b"%d" % number) for number in range(3)]
    signed = _signatures(backend.signing.sign_many(items, wait="published"))
    assert all(each.log.tlog_proof and each.log.leaf_index is not None for each in signed)
    assert len({each.log.leaf_index for each in signed}) == 3


@pytest.mark.parametrize("count", [0, 513])
def test_a_batch_has_bounds(backend: Client, key: str, count: int) -> None:
    items = [ToSign(name=key, digest=bytes(64))] * count
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign_many(items)
    assert refused.value.reason == "BATCH_TOO_LARGE"
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.verify_many([ToVerify(name=key, digest=bytes(64), signature=b"s")] * count)
    assert refused.value.reason == "BATCH_TOO_LARGE"


def test_the_messages_of_a_batch_have_a_bound_together(backend: Client, key: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign_many([ToSign(name=key, data=bytes(600_000))] * 2)
    assert refused.value.reason == "BATCH_TOO_LARGE"


def test_many_signatures_are_verified_at_once(backend: Client, key: str) -> None:
    one, two = _signatures(backend.signing.sign_many([ToSign(name=key, data=b"1"), ToSign(name=key, data=b"2")]))
    answers = backend.signing.verify_many(
        [
            ToVerify(name=key, data=b"1", signature=one.signature),
            ToVerify(name=key, data=b"1", signature=two.signature),
            ToVerify(name=key, digest=hashlib.sha512(b"2").digest(), signature=two.signature),
            ToVerify(name="nobody", data=b"1", signature=one.signature),
        ]
    )
    assert [type(answer) for answer in answers] == [Verified, SignatureInvalid, Verified, NotFound]


def test_a_device_may_verify_many_and_sign_none(client_under_test, key: str, backend: Client) -> None:
    signed = backend.signing.sign(key, b"m")
    device = client_under_test("device")
    [fact] = device.signing.verify_many([ToVerify(name=key, data=b"m", signature=signed.signature)])
    assert isinstance(fact, Verified)
    with pytest.raises(PermissionDenied):
        device.signing.sign_many([ToSign(name=key, data=b"m")])
    with pytest.raises(PermissionDenied):
        device.signing.sign_stream(key, [b"m"])


def test_a_stream_is_signed_like_the_whole_message(backend: Client, key: str, tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(range(256)) * 5000)
    public_key = backend.keys.public_key(key).composite()
    for source in (file, str(file), [file.read_bytes()], iter([b"", file.read_bytes()[:7], file.read_bytes()[7:]])):
        signed = backend.signing.sign_stream(key, source, context=b"models/v1")
        verify(public_key, signed.signature, message=file.read_bytes(), context=b"models/v1")


def test_a_stream_is_the_same_call_however_it_is_cut(backend: Client, key: str) -> None:
    request_id = str(uuid.uuid4())
    first = backend.signing.sign_stream(key, [b"abc", b"def"], request_id=request_id)
    again = backend.signing.sign_stream(key, [b"a", b"bcdef"], request_id=request_id)
    assert (again.signature, again.replayed) == (first.signature, True)
    with pytest.raises(AlreadyExists):
        backend.signing.sign_stream(key, [b"another message"], request_id=request_id)


def test_a_stream_without_a_byte_is_refused(backend: Client, key: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign_stream(key, [])
    assert refused.value.reason == "STREAM_INVALID"


def test_what_the_source_raises_reaches_the_caller(backend: Client, key: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        backend.signing.sign_stream(key, tmp_path / "nothing")

    def breaks():
        yield b"first"
        raise KeyError("second")

    with pytest.raises(KeyError):
        backend.signing.sign_stream(key, breaks())


def test_a_revoked_key_signs_neither_batch_nor_stream(admin: Client, backend: Client, key: str) -> None:
    admin.revocations.revoke(key, reason="SUPERSEDED")
    [answer] = backend.signing.sign_many([ToSign(name=key, data=b"m")])
    assert isinstance(answer, FailedPrecondition)
    with pytest.raises(FailedPrecondition):
        backend.signing.sign_stream(key, [b"m"])


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_a_hybrid_key_has_no_settled_formats(backend: Client, key: str, form) -> None:
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign(key, b"m", format=form)
    assert refused.value.reason == "FORMAT_UNSUPPORTED"


def test_a_hybrid_key_takes_no_external_mu(backend: Client, key: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        backend.signing.sign(key, external_mu=bytes(64))
    assert refused.value.reason == "FIELD_INVALID"


def test_a_format_that_is_none_is_refused_before_anything_is_sent(backend: Client, key: str) -> None:
    with pytest.raises(InvalidArgument, match="raw, cose, jws"):
        backend.signing.sign(key, b"m", format="pdf")  # type: ignore[arg-type]


def test_an_alias_signs_many_and_streams(admin: Client, backend: Client, key: str) -> None:
    alias = f"alias-{uuid.uuid4().hex[:12]}"
    admin.aliases.set(alias, key)
    [signed] = _signatures(backend.signing.sign_many([ToSign(name=f"aliases/{alias}", data=b"m")]))
    assert signed.key_version == f"{key}/versions/1"
    assert backend.signing.sign_stream(f"aliases/{alias}", [b"m"]).key_version == signed.key_version
