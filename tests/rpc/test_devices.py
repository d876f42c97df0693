import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attestation.testing.broken import flip_bit
from hallmark.v1 import devices_pb2, devices_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_client import Client, PermissionDenied, Profile
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


def test_verdicts_are_listed_signed_and_judged_again(service: RunningService, devices) -> None:
    challenge = _challenge(devices)
    key = service.phone.generate_key(challenge.challenge)
    answer = devices.AttestDevice(_attest(challenge, _chain(key)), timeout=20)
    with channel(service, "auditor") as opened:
        stub = devices_pb2_grpc.DeviceServiceStub(opened)
        verdict = stub.GetVerdict(devices_pb2.GetVerdictRequest(name=answer.verdict.name), timeout=20)
        assert verdict.result == answer.result
        assert verdict.result.jwt.count(".") == 2
        replay = stub.ReplayVerdict(devices_pb2.ReplayVerdictRequest(name=answer.verdict.name), timeout=20)
        assert not replay.differences
        assert replay.replayed.input_sha256 == answer.verdict.input_sha256
        page = stub.ListDevices(devices_pb2.ListDevicesRequest(parent=PARENT, page_size=1), timeout=20)
        assert len(page.devices) == 1
        names = set()
        token = ""
        while True:
            request = devices_pb2.ListDevicesRequest(parent=PARENT, page_size=5, page_token=token)
            page = stub.ListDevices(request, timeout=20)
            names |= {device.name for device in page.devices}
            token = page.next_page_token
            if not token:
                break
    assert answer.device.name in names
    refusal = refused(devices.ListDevices, devices_pb2.ListDevicesRequest(parent=PARENT))
    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED


def _certified(service: RunningService, devices, folder: Path) -> tuple[str, Client]:
    """An attested device that calls with the certificate it was given, as a device of its own."""
    challenge = _challenge(devices)
    key = service.phone.generate_key(challenge.challenge)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key.private_key, hashes.SHA256())
    message = _attest(challenge, _chain(key), certificate_request=request.public_bytes(Encoding.DER))
    answer = devices.AttestDevice(message, timeout=20)
    assert answer.verdict.appraised, answer.verdict
    profile = service.home / "clients" / "device"
    (folder / "ca.pem").write_bytes((profile / "ca.pem").read_bytes())
    for file in profile.iterdir():
        if file.name not in {"ca.pem", "cert.pem", "key.pem"}:
            (folder / file.name).write_bytes(file.read_bytes())
    certificate = x509.load_der_x509_certificate(answer.certificate.certificate)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pem").chmod(0o600)
    return answer.device.name, Client(Profile.load(folder), timeout_seconds=20)


def test_an_attested_device_calls_under_its_own_name_until_it_is_revoked(
    service: RunningService, devices, tmp_path: Path
) -> None:
    name, client = _certified(service, devices, tmp_path)
    with client, service.client() as admin:
        assert client.devices.create_challenge().challenge
        admin.revocations.revoke(name, "DEVICE_COMPROMISED")
        time.sleep(1.1)
        with pytest.raises(PermissionDenied) as refusal:
            client.devices.create_challenge()
        assert refusal.value.reason == "DEVICE_REVOKED"
    last = [line for line in service.audit() if f"d-{name.rpartition('/')[2]}" in str(line)]
    assert last, "the audit says which device it was"
