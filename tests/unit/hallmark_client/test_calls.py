import uuid

import grpc
import pytest

from hallmark_client import (
    AlreadyExists,
    ChecksumMismatch,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from hallmark_client.testing import refusal


def test_a_lost_answer_is_asked_for_again_and_nothing_happens_twice(fake, connect, clock) -> None:
    client = connect(system=clock.system())
    fake.lose_answer("CreateKey", times=2)
    key = client.keys.create("manifest")
    assert key.replayed
    first, second, third = fake.requests("CreateKey")
    assert first == second == third
    assert uuid.UUID(first.request_id).version == 7, "sorts by time: RFC 9562"
    assert len(list(client.keys.list())) == 1


def test_two_calls_have_two_request_ids(fake, client) -> None:
    client.keys.create("one")
    client.keys.create("two")
    one, two = fake.requests("CreateKey")
    assert one.request_id != two.request_id


def test_a_given_request_id_is_used(fake, client) -> None:
    request_id = str(uuid.uuid4())
    client.keys.create("one", request_id=request_id)
    assert [request.request_id for request in fake.requests("CreateKey")] == [request_id]


def test_retries_wait_longer_each_time(fake, connect, clock) -> None:
    fake.refuse("GetCapabilities", times=4)
    connect(system=clock.system()).capabilities()
    assert clock.slept == [0.05, 0.1, 0.2, 0.4]


def test_retries_end_with_the_deadline(fake, connect, clock) -> None:
    fake.refuse("GetCapabilities", times=1000)
    client = connect(system=clock.system(), timeout_seconds=5)
    with pytest.raises(Unavailable) as refused:
        client.capabilities()
    assert refused.value.reason == "UNREACHABLE"
    assert 3 < sum(clock.slept) < 5


def test_a_server_that_says_when_is_not_asked_before(fake, connect, clock) -> None:
    busy = refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "later", retry_after_seconds=2.5)
    fake.refuse("GetCapabilities", busy)
    connect(system=clock.system()).capabilities()
    assert clock.slept == [2.5]


def test_a_lost_hsm_is_told_soon(fake, connect, clock) -> None:
    lost = refusal(grpc.StatusCode.UNAVAILABLE, "HSM_UNAVAILABLE", "the token is gone")
    fake.refuse("GetCapabilities", lost, times=1000)
    with pytest.raises(Unavailable) as refused:
        connect(system=clock.system()).capabilities()
    assert refused.value.reason == "HSM_UNAVAILABLE"
    assert len(fake.requests("GetCapabilities")) == 3


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted),
        (grpc.StatusCode.INTERNAL, Internal),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.ALREADY_EXISTS, AlreadyExists),
    ],
)
def test_nothing_but_unavailable_is_retried(fake, client, code, kind) -> None:
    fake.refuse("GetCapabilities", refusal(code, "SOME_REASON", "no"))
    with pytest.raises(kind):
        client.capabilities()
    assert len(fake.requests("GetCapabilities")) == 1


def test_a_closed_client_says_so_at_once(client) -> None:
    client.close()
    client.close()
    with pytest.raises(Unavailable) as refused:
        client.capabilities()
    assert refused.value.reason == "CLIENT_CLOSED"


def test_an_answer_with_an_impossible_time_is_an_error(fake, client) -> None:
    def spoil(answer) -> None:
        answer.expire_time.seconds = 2**62

    fake.change_answer("CreateChallenge", spoil)
    with pytest.raises(Internal) as refused:
        client.devices.create_challenge()
    assert refused.value.reason == "ANSWER_INVALID"


def test_a_signature_that_changed_on_the_way_is_refused(fake, client) -> None:
    client.keys.create("manifest")

    def flip(answer) -> None:
        answer.signature = bytes([answer.signature[0] ^ 1]) + answer.signature[1:]

    fake.change_answer("Sign", flip)
    with pytest.raises(ChecksumMismatch, match="signature"):
        client.signing.sign("manifest", b"weights")


def test_a_public_key_that_changed_on_the_way_is_refused(fake, client) -> None:
    client.keys.create("manifest")

    def cut(answer) -> None:
        answer.public_key = answer.public_key[:-1]

    fake.change_answer("GetPublicKey", cut)
    with pytest.raises(ChecksumMismatch, match="public key"):
        client.keys.public_key("manifest")


def test_a_server_that_did_not_check_the_input_is_not_believed(fake, client) -> None:
    client.keys.create("manifest")
    signature = client.signing.sign("manifest", b"weights").signature

    def forget(answer) -> None:
        answer.verified_input_crc32c = False

    fake.change_answer("Sign", forget)
    with pytest.raises(ChecksumMismatch, match="input"):
        client.signing.sign("manifest", b"weights")
    fake.change_answer("Verify", forget)
    with pytest.raises(ChecksumMismatch, match="input"):
        client.signing.verify("manifest", signature, b"weights")


@pytest.mark.parametrize("arguments", [{}, {"data": b"a", "digest": b"b"}])
def test_data_or_digest_is_given_and_not_both(fake, client, arguments) -> None:
    with pytest.raises(InvalidArgument):
        client.signing.sign("manifest", **arguments)
    assert not fake.requests("Sign")


def test_choices_are_listed_when_one_is_wrong(client) -> None:
    with pytest.raises(InvalidArgument, match="id-MLDSA65-ECDSA-P256-SHA512"):
        client.keys.create("manifest", algorithm="RSA")
    with pytest.raises(InvalidArgument, match="KEY_COMPROMISE"):
        client.revocations.revoke("manifest", "BECAUSE")
    with pytest.raises(InvalidArgument, match="published"):
        client.keys.create("manifest", wait="whenever")
    with pytest.raises(InvalidArgument, match="leaf_index"):
        client.log.inclusion_proof()
