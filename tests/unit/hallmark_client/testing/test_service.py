"""What the fake does beyond the behaviour it shares with the service (tests/contract)."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark.v1 import keys_pb2
from hallmark_client import (
    Bookmark,
    FailedPrecondition,
    HallmarkError,
    InvalidArgument,
    PermissionDenied,
    ProtectionLevel,
    TpmKeys,
    Unavailable,
)
from hallmark_client.rpc import RPCS, SIGN
from hallmark_client.testing import FakeService
from hallmark_client.testing.operators import NOT_IN_MEMORY
from hallmark_client.testing.roles import ROLES
from hallmark_client.testing.transport import InMemoryTransport


def test_every_method_has_roles() -> None:
    assert set(ROLES) == {rpc.name for rpc in RPCS}


def test_it_says_that_it_has_no_hsm(client) -> None:
    assert not client.capabilities().hsm.usable
    assert client.keys.create("manifest").versions[0].protection_level is ProtectionLevel.SOFTWARE


def test_a_call_without_a_deadline_is_a_mistake(fake) -> None:
    transport = InMemoryTransport(fake, "admin")
    with pytest.raises(AssertionError, match="deadline"):
        transport.unary(SIGN, keys_pb2.SignRequest(), float("inf"))


def test_a_signature_request_without_checksum_is_a_mistake(fake, client) -> None:
    client.keys.create("manifest")
    request = keys_pb2.SignRequest(name="tenants/default/keys/manifest", data=b"", request_id=str(uuid.uuid4()))
    with pytest.raises(AssertionError, match="input_crc32c"):
        InMemoryTransport(fake, "admin").unary(SIGN, request, 5)


def test_a_misspelt_method_is_a_mistake(fake) -> None:
    with pytest.raises(AssertionError, match="GetCapabilities"):
        fake.refuse("Sing")


def test_a_lost_answer_is_not_a_lost_act(fake, client, connect) -> None:
    hasty = connect(timeout_seconds=0.5)
    fake.lose_answer("CreateKey", times=1000)
    with pytest.raises(Unavailable):
        hasty.keys.create("manifest")
    assert client.keys.get("manifest").primary_version


def test_a_refused_call_is_not_an_act(fake, client, connect) -> None:
    fake.refuse("CreateKey", times=1000)
    with pytest.raises(Unavailable):
        connect(timeout_seconds=0.5).keys.create("manifest")
    assert list(client.keys.list()) == []


def test_a_stopped_fake_keeps_everything(fake, client, connect) -> None:
    client.keys.create("manifest")
    fake.stop()
    with pytest.raises(Unavailable):
        connect(timeout_seconds=0.5).keys.get("manifest")
    fake.start()
    assert client.keys.get("manifest").primary_version


def test_a_request_id_is_of_one_caller(client, connect) -> None:
    client.keys.create("manifest")
    request_id = str(uuid.uuid4())
    first = client.signing.sign("manifest", b"weights", request_id=request_id)
    other = connect(role="backend").signing.sign("manifest", b"weights", request_id=request_id)
    assert not other.replayed
    assert other.signature != first.signature


def test_answers_can_not_be_used_to_change_the_fake(fake, client) -> None:
    client.keys.create("manifest", labels={"a": "b"})
    fake.change_answer("GetKey", lambda answer: answer.labels.clear())
    assert client.keys.get("manifest").labels == {}
    assert client.keys.get("manifest").labels == {"a": "b"}


def test_a_challenge_expires() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    fake = FakeService(now=lambda: now)
    with fake.client(role="device") as device:
        challenge = device.devices.create_challenge()
        evidence = fake.virtual_device().attest(challenge.challenge)
        now += timedelta(minutes=5)
        with pytest.raises(FailedPrecondition) as refused:
            device.devices.attest(challenge.name, evidence)
    assert refused.value.reason == "CHALLENGE_EXPIRED"


def test_credentials_for_tpms_are_for_a_service(client) -> None:
    with pytest.raises(InvalidArgument):
        client.devices.create_challenge(tpm=TpmKeys(ek_public=b"x", ak_public=b"y"))


def test_an_unlocked_phone_is_authentic_and_not_liked(fake, client) -> None:
    challenge = client.devices.create_challenge()
    evidence = fake.virtual_device(bootloader_locked=False).attest(challenge.challenge)
    answer = client.devices.attest(challenge.name, evidence)
    assert (answer.verdict.authentic, answer.verdict.appraised) == (True, False)
    assert answer.verdict.reasons == ("UNLOCKED_BOOTLOADER",)
    assert answer.device is None


def test_a_phone_of_another_fake_is_not_believed(client) -> None:
    challenge = client.devices.create_challenge()
    answer = client.devices.attest(challenge.name, FakeService().virtual_device().attest(challenge.challenge))
    assert answer.verdict.reasons == ("UNTRUSTED_ROOT",)


def test_a_revoked_phone_does_not_come_back(fake, client) -> None:
    device = fake.virtual_device()

    def attest():
        challenge = client.devices.create_challenge()
        return client.devices.attest(challenge.name, device.attest(challenge.challenge))

    enrolled = attest().device
    assert enrolled is not None
    assert attest().device.name == enrolled.name
    client.revocations.revoke(enrolled.name, "DEVICE_LOST")
    again = attest()
    assert again.verdict.reasons == ("DEVICE_REVOKED",)
    assert again.device is None


def test_roles_are_kept_in_streams_too(fake, connect, monkeypatch) -> None:
    monkeypatch.setitem(ROLES, "WatchRevocations", frozenset({"admin"}))
    assert isinstance(next(connect(role="admin").revocations.watch()), Bookmark)
    with pytest.raises(PermissionDenied):
        next(connect(role="device").revocations.watch())


def test_many_threads_may_use_it(fake, client) -> None:
    client.keys.create("manifest")

    def work() -> None:
        for _ in range(10):
            client.signing.sign("manifest", b"weights", wait="published").log.verify(fake.verifier_keys, fake.origin)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.log.checkpoint().size == 41


@pytest.mark.parametrize("name", NOT_IN_MEMORY)
def test_what_operators_ask_is_refused_in_words(fake, name: str) -> None:
    (rpc,) = [each for each in RPCS if each.name == name]
    with pytest.raises(HallmarkError, match="hallmark serve") as told:
        InMemoryTransport(fake, "admin").unary(rpc, _with_request_id(rpc.request()), 1.0)
    assert told.value.reason == "RPC_NOT_ALLOWED"


def _with_request_id(request):
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = str(uuid.uuid4())
    return request
