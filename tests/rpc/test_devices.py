from collections.abc import Iterator

import grpc
import pytest

from attestation.testing.broken import flip_bit
from hallmark.v1 import devices_pb2, devices_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from rpc.wire import PARENT, channel, fresh_id, refused
from support.service import RunningService


@pytest.fixture
def devices(service: RunningService) -> Iterator[devices_pb2_grpc.DeviceServiceStub]:
    with channel(service, "device") as opened:
        yield devices_pb2_grpc.DeviceServiceStub(opened)


def _challenge(devices: devices_pb2_grpc.DeviceServiceStub) -> devices_pb2.Challenge:
    request = devices_pb2.CreateChallengeRequest(parent=PARENT, request_id=fresh_id())
    return devices.CreateChallenge(request, timeout=20)


def _attest(challenge: devices_pb2.Challenge, certificates, **more) -> devices_pb2.AttestDeviceRequest:
    evidence = devices_pb2.Evidence(format=devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY, certificates=certificates)
    return devices_pb2.AttestDeviceRequest(challenge=challenge.name, evidence=evidence, request_id=fresh_id(), **more)


def test_a_genuine_device_is_enrolled(service: RunningService, devices) -> None:
    challenge = _challenge(devices)
    key = service.phone.generate_key(challenge.challenge)
    request = _attest(challenge, _chain(key))
    answer = devices.AttestDevice(request, timeout=20)
    assert answer.verdict.authentic, answer.verdict
    assert answer.verdict.appraised, answer.verdict
    assert answer.device.key_spki == key.spki
    assert answer.log.leaf_hash
    assert {"evidence", "expectation", "anchors", "policy"} <= set(answer.verdict.input_sha256)
    assert devices.AttestDevice(request, timeout=20).replayed
    with channel(service, "backend") as opened:
        stub = devices_pb2_grpc.DeviceServiceStub(opened)
        found = stub.GetDevice(devices_pb2.GetDeviceRequest(name=answer.device.name), timeout=20)
    assert found.state == devices_pb2.DEVICE_STATE_ATTESTED
    assert found.latest_verdict.name == answer.verdict.name


def _chain(key) -> list[bytes]:
    return [part.data for part in key.evidence.parts]


def test_a_tampered_copy_is_refused_with_its_reason(service: RunningService, devices) -> None:
    challenge = _challenge(devices)
    chain = _chain(service.phone.generate_key(challenge.challenge))
    chain[0] = flip_bit(chain[0], octet=-1)
    answer = devices.AttestDevice(_attest(challenge, chain), timeout=20)
    assert (answer.verdict.authentic, answer.verdict.appraised) == (False, False)
    assert list(answer.verdict.reasons) == ["BAD_SIGNATURE"]
    assert not answer.HasField("device")
    assert answer.log.leaf_hash, "refusals are logged too"


def test_an_unlocked_phone_is_authentic_and_still_refused(service: RunningService, devices) -> None:
    challenge = _challenge(devices)
    chain = _chain(service.phone.changed(locked=False).generate_key(challenge.challenge))
    verdict = devices.AttestDevice(_attest(challenge, chain), timeout=20).verdict
    assert verdict.authentic
    assert not verdict.appraised
    assert "UNLOCKED_BOOTLOADER" in verdict.reasons


def test_a_challenge_is_good_once_and_for_its_own_evidence(service: RunningService, devices) -> None:
    first, second = _challenge(devices), _challenge(devices)
    chain = _chain(service.phone.generate_key(first.challenge))
    crossed = devices.AttestDevice(_attest(second, chain), timeout=20).verdict
    assert "CHALLENGE_MISMATCH" in crossed.reasons
    assert devices.AttestDevice(_attest(first, chain), timeout=20).verdict.authentic
    again = refused(devices.AttestDevice, _attest(first, chain))
    assert (again.code, again.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CHALLENGE_USED")
    unknown = devices_pb2.Challenge(name=f"{PARENT}/challenges/{fresh_id()}")
    assert refused(devices.AttestDevice, _attest(unknown, chain)).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("certificates", "outcome"),
    [
        ([b"\x30\x80garbage"] * 3, "MALFORMED"),
        ([b"x" * 30_000] * 3, "EVIDENCE_TOO_LARGE"),
        ([b"x"] * 9, "EVIDENCE_TOO_LARGE"),
    ],
)
def test_foreign_bytes_get_a_clear_answer(devices, certificates: list[bytes], outcome: str) -> None:
    request = _attest(_challenge(devices), certificates)
    if outcome == "MALFORMED":
        assert list(devices.AttestDevice(request, timeout=20).verdict.reasons) == ["MALFORMED"]
    else:
        assert refused(devices.AttestDevice, request).reason == outcome


def test_a_revoked_device_stays_out(service: RunningService, devices) -> None:
    challenge = _challenge(devices)
    device = devices.AttestDevice(
        _attest(challenge, _chain(service.phone.generate_key(challenge.challenge))), timeout=20
    )
    with channel(service) as opened:
        revoke = revocation_pb2.RevokeRequest(
            subject=device.device.name,
            reason=revocation_pb2.REVOCATION_REASON_DEVICE_LOST,
            request_id=fresh_id(),
        )
        revocation_pb2_grpc.RevocationServiceStub(opened).Revoke(revoke, timeout=20)
        found = devices_pb2_grpc.DeviceServiceStub(opened).GetDevice(
            devices_pb2.GetDeviceRequest(name=device.device.name), timeout=20
        )
    assert found.state == devices_pb2.DEVICE_STATE_REVOKED
