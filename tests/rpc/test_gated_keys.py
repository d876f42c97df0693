"""Keys that demand a live verdict, over the wire: a virtual phone attests, then keys are used for it and by it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hallmark.v1 import envelopes_pb2, envelopes_pb2_grpc, keys_pb2, keys_pb2_grpc
from hallmark_client import (
    AttestationGate,
    Client,
    DeviceClass,
    EvidenceFormat,
    FailedPrecondition,
    HallmarkError,
    InvalidArgument,
    PermissionDenied,
    Profile,
    SealedEnvelope,
    SecurityLevel,
    ToSign,
)
from hallmark_envelope import HpkeKem, seal_envelope
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService

HPKE = "HPKE-MLKEM768-X25519"


class Phone:
    """An attested one: its name here, its newest verdict, and a client with its own certificate."""

    def __init__(self, service: RunningService, folder: Path) -> None:
        folder.mkdir()
        with service.client("backend") as backend:
            challenge = backend.devices.create_challenge()
            key = service.phone.generate_key(challenge.challenge)
            unsigned = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            request = unsigned.sign(key.private_key, hashes.SHA256()).public_bytes(Encoding.DER)
            chain = [part.data for part in key.evidence.parts]
            answer = backend.devices.attest(challenge.name, chain, certificate_request=request)
        assert answer.device is not None, answer.verdict
        assert answer.certificate is not None
        self.name, self.verdict = answer.device.name, answer.verdict.name
        shutil.copytree(service.home / "clients" / "device", folder, dirs_exist_ok=True)
        certificate = x509.load_der_x509_certificate(answer.certificate.certificate)
        (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(private)
        self.profile = Profile.load(folder)

    def client(self) -> Client:
        return Client(self.profile, timeout_seconds=20)


@pytest.fixture
def phone(service: RunningService, tmp_path: Path) -> Phone:
    return Phone(service, tmp_path / "phone")


@pytest.fixture
def admin(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


def _key(admin: Client, gate: AttestationGate | None, **more: Any) -> str:
    return admin.keys.create(fresh_name(), attestation_gate=gate, **more).name


def _reason(act: Callable[[], object], kind: type[HallmarkError] = FailedPrecondition) -> str:
    with pytest.raises(kind) as refusal:
        act()
    return refusal.value.reason


def _details(entry: bytes) -> dict[str, Any]:
    return json.loads(entry)["details"]


def _sealed(admin: Client, name: str) -> SealedEnvelope:
    key = admin.envelopes.key(name)
    envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), b"secret", info=b"")
    return SealedEnvelope(
        key_version=key.name, kem_id=key.kem_id, kdf_id=key.kdf_id, aead_id=key.aead_id, envelope=envelope
    )


def test_signed_for_an_attested_phone_until_it_is_revoked(admin: Client, backend: Client, phone: Phone) -> None:
    key = _key(
        admin,
        AttestationGate(formats=(EvidenceFormat.ANDROID_KEY,), minimum_level=SecurityLevel.TEE),
    )
    assert _reason(lambda: backend.signing.sign(key, b"m")) == "ATTESTATION_REQUIRED"
    signature = backend.signing.sign(key, b"m", device=phone.name)
    assert _details(signature.log.entry)["verdict"] == phone.verdict
    assert backend.signing.verify(key, signature.signature, b"m").key_version == f"{key}/versions/1"
    streamed = backend.signing.sign_stream(key, [b"m" * 1000], device=phone.name)
    assert _details(streamed.log.entry)["verdict"] == phone.verdict
    assert _reason(lambda: backend.signing.sign_stream(key, [b"m"])) == "ATTESTATION_REQUIRED"
    admin.revocations.revoke(phone.name, "DEVICE_COMPROMISED")
    assert _reason(lambda: backend.signing.sign(key, b"m", device=phone.name)) == "DEVICE_REVOKED"
    assert _reason(lambda: backend.signing.sign_stream(key, [b"m"], device=phone.name)) == "DEVICE_REVOKED"


def test_what_does_not_fit_is_refused_with_what_is_missing(admin: Client, backend: Client, phone: Phone) -> None:
    gates = (
        AttestationGate(formats=(EvidenceFormat.TPM,)),
        AttestationGate(minimum_level=SecurityLevel.TPM),
        AttestationGate(device_classes=(DeviceClass.FACTORY,)),
        AttestationGate(measurements={"PCR0": (bytes(32),)}),
    )
    for gate in gates:
        key = _key(admin, gate)
        assert _reason(lambda key=key: backend.signing.sign(key, b"m", device=phone.name)) == "VERDICT_INSUFFICIENT"
    plain = _key(admin, None)
    assert _reason(lambda: backend.signing.sign(plain, b"m", device=phone.name), InvalidArgument) == "FIELD_INVALID"


def test_a_verdict_grows_too_old(admin: Client, backend: Client, phone: Phone) -> None:
    key = _key(admin, AttestationGate(max_verdict_age=timedelta(seconds=1)))
    time.sleep(1.1)
    assert _reason(lambda: backend.signing.sign(key, b"m", device=phone.name)) == "VERDICT_TOO_OLD"


def test_a_batch_with_mixed_devices(service: RunningService, admin: Client, backend: Client, tmp_path: Path) -> None:
    key, plain = _key(admin, AttestationGate()), _key(admin, None)
    good, other, gone = (Phone(service, tmp_path / name) for name in ("good", "other", "gone"))
    admin.revocations.revoke(gone.name, "DEVICE_LOST")
    outcomes = backend.signing.sign_many(
        [
            ToSign(name=key, data=b"1", device=good.name),
            ToSign(name=key, data=b"2", device=gone.name),
            ToSign(name=key, data=b"3"),
            ToSign(name=plain, data=b"4"),
            ToSign(name=key, data=b"5", device=other.name),
            ToSign(name=key, data=b"6", device=f"{PARENT}/devices/{fresh_id()}"),
        ]
    )
    found = [
        each.reason if isinstance(each, HallmarkError) else _details(each.log.entry).get("verdict") for each in outcomes
    ]
    assert found == [
        good.verdict,
        "DEVICE_REVOKED",
        "ATTESTATION_REQUIRED",
        None,
        other.verdict,
        "RESOURCE_NOT_FOUND",
    ]


def test_envelopes_and_data_keys(admin: Client, backend: Client, phone: Phone) -> None:
    key = _key(admin, AttestationGate(), algorithm=HPKE)
    sealed = _sealed(admin, key)
    assert _reason(lambda: backend.envelopes.open(sealed)) == "ATTESTATION_REQUIRED"
    opened = backend.envelopes.open(sealed, device=phone.name)
    assert (opened.plaintext, _details(opened.log.entry)["verdict"]) == (b"secret", phone.verdict)
    (many,) = backend.envelopes.open_many([sealed], device=phone.name)
    assert not isinstance(many, HallmarkError)
    made = backend.envelopes.data_key(key, device=phone.name)
    assert _details(made.log.entry)["verdict"] == phone.verdict
    admin.revocations.revoke(phone.name, "DEVICE_COMPROMISED")
    assert _reason(lambda: backend.envelopes.open(sealed, device=phone.name)) == "DEVICE_REVOKED"
    assert _reason(lambda: backend.envelopes.data_key(key, device=phone.name)) == "DEVICE_REVOKED"


def test_a_device_uses_keys_that_are_open_to_it_for_itself_and_no_others(
    service: RunningService, admin: Client, phone: Phone, tmp_path: Path
) -> None:
    opened = AttestationGate(device_callers=True)
    signing, sealing = _key(admin, opened), _key(admin, opened, algorithm=HPKE)
    closed, plain = _key(admin, AttestationGate()), _key(admin, None)
    other = Phone(service, tmp_path / "other")
    with phone.client() as client:
        signature = client.signing.sign(signing, b"m")
        assert _details(signature.log.entry)["verdict"] == phone.verdict
        assert client.signing.sign(signing, b"m", device=phone.name).signature
        assert client.envelopes.open(_sealed(admin, sealing)).plaintext == b"secret"
        assert len(client.envelopes.data_key(sealing).plaintext) == 32
        for key in (closed, plain):
            assert _reason(lambda key=key: client.signing.sign(key, b"m"), PermissionDenied) == "ROLE_NOT_ALLOWED"
        name = other.name
        assert _reason(lambda: client.signing.sign(signing, b"m", device=name), PermissionDenied) == "ROLE_NOT_ALLOWED"
        batch = [ToSign(name=signing, data=b"m")]
        assert _reason(lambda: client.signing.sign_many(batch), PermissionDenied) == "ROLE_NOT_ALLOWED"
        assert _reason(lambda: client.signing.sign_stream(signing, [b"m"]), PermissionDenied) == "ROLE_NOT_ALLOWED"
        admin.revocations.revoke(phone.name, "DEVICE_COMPROMISED")
        with pytest.raises(HallmarkError) as refusal:
            client.signing.sign(signing, b"m")
        assert refusal.value.reason == "DEVICE_REVOKED"


def test_role_device_without_an_attested_key_uses_nothing(service: RunningService, admin: Client) -> None:
    key = _key(admin, AttestationGate(device_callers=True))
    sign = keys_pb2.SignRequest(name=key, data=b"m", request_id=fresh_id())
    opening = envelopes_pb2.OpenEnvelopeRequest(name=f"{key}/versions/1", envelope=b"x", request_id=fresh_id())
    data_key = envelopes_pb2.GenerateDataKeyRequest(name=key, request_id=fresh_id())
    with channel(service, "device") as opened:
        envelopes = envelopes_pb2_grpc.EnvelopeServiceStub(opened)
        calls = [
            (keys_pb2_grpc.SigningServiceStub(opened).Sign, sign),
            (envelopes.OpenEnvelope, opening),
            (envelopes.GenerateDataKey, data_key),
        ]
        for call, request in calls:
            refusal = refused(call, request)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


def test_the_device_is_part_of_the_request(
    service: RunningService, admin: Client, backend: Client, phone: Phone, tmp_path: Path
) -> None:
    key, request_id = _key(admin, AttestationGate()), fresh_id()
    first = backend.signing.sign(key, b"m", device=phone.name, request_id=request_id)
    again = backend.signing.sign(key, b"m", device=phone.name, request_id=request_id)
    assert (again.signature, again.replayed) == (first.signature, True)
    other = Phone(service, tmp_path / "other")
    with pytest.raises(HallmarkError) as refusal:
        backend.signing.sign(key, b"m", device=other.name, request_id=request_id)
    assert refusal.value.reason == "REQUEST_ID_REUSED"


def test_the_gate_is_shown_changed_and_removed(admin: Client, backend: Client, phone: Phone) -> None:
    key = _key(admin, AttestationGate(max_verdict_age=timedelta(hours=1)))
    found = admin.keys.get(key)
    assert found.attestation_gate == AttestationGate(max_verdict_age=timedelta(hours=1))
    wider = AttestationGate(max_verdict_age=timedelta(hours=2))
    rehearsal = admin.keys.rehearse_update(key, attestation_gate=wider)
    assert rehearsal.loosened == ("attestation_gate",)
    assert rehearsal.parameters_sha256
    assert admin.keys.rehearse_update(key, attestation_gate="remove").loosened == ("attestation_gate",)
    factory = AttestationGate(max_verdict_age=timedelta(hours=1), device_classes=(DeviceClass.FACTORY,))
    assert admin.keys.rehearse_update(key, attestation_gate=factory).loosened == ()
    backend.signing.sign(key, b"m", device=phone.name)
    admin.keys.update(key, attestation_gate=factory)
    assert _reason(lambda: backend.signing.sign(key, b"m", device=phone.name)) == "VERDICT_INSUFFICIENT"
    assert admin.keys.update(key, attestation_gate="remove").attestation_gate is None
    assert backend.signing.sign(key, b"m").signature
