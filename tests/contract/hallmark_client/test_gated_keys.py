"""Keys that demand a live verdict about a device."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import (
    AttestationGate,
    Client,
    DeviceClass,
    EvidenceFormat,
    FailedPrecondition,
    HallmarkError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SealedEnvelope,
    SecurityLevel,
    ToSign,
)
from hallmark_client.testing import FakeService
from hallmark_envelope import HpkeKem, seal_envelope


@pytest.fixture
def backend(client_under_test) -> Client:
    return client_under_test("backend")


@pytest.fixture
def enrol(server, backend: Client) -> Callable[[], tuple[str, str]]:
    """A device that was just attested, and the verdict."""

    def enrol() -> tuple[str, str]:
        challenge = backend.devices.create_challenge()
        certificates, spki = server.attest(challenge.challenge)
        answer = backend.devices.attest(challenge.name, certificates, key_spki=spki)
        assert answer.device is not None, answer.verdict
        return answer.device.name, answer.verdict.name

    return enrol


def create(admin: Client, gate: AttestationGate | None, purpose: str = "SIGN") -> str:
    return admin.keys.create(f"key-{uuid.uuid4().hex[:12]}", purpose=purpose, attestation_gate=gate).name


def refusal(act: Callable[[], object], kind: type[HallmarkError] = FailedPrecondition) -> str:
    with pytest.raises(kind) as refused:
        act()
    return refused.value.reason


def sealed(client: Client, name: str) -> SealedEnvelope:
    key = client.envelopes.key(name)
    envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), b"secret", info=b"")
    return SealedEnvelope(
        key_version=key.name, kem_id=key.kem_id, kdf_id=key.kdf_id, aead_id=key.aead_id, envelope=envelope
    )


def test_a_gate_is_shown_with_its_defaults(admin: Client) -> None:
    assert admin.keys.get(create(admin, None)).attestation_gate is None
    assert admin.keys.get(create(admin, AttestationGate())).attestation_gate == AttestationGate()
    full = AttestationGate(
        formats=(EvidenceFormat.ANDROID_KEY, EvidenceFormat.TPM),
        minimum_level=SecurityLevel.TEE,
        device_classes=(DeviceClass.FACTORY,),
        measurements={"PCR0": (bytes(32), bytes(range(32)))},
        max_verdict_age=timedelta(minutes=5),
        device_callers=True,
    )
    key = admin.keys.get(create(admin, full))
    assert key.attestation_gate == full
    assert key.to_dict()["attestation_gate"]["max_verdict_age"] == 300


def test_a_gate_that_can_not_be_meant(admin: Client) -> None:
    for gate in (AttestationGate(max_verdict_age=timedelta(0)), AttestationGate(measurements={"PCR0": ()})):
        assert refusal(lambda gate=gate: create(admin, gate), InvalidArgument) == "FIELD_INVALID"


def test_a_use_names_an_attested_device(admin: Client, backend: Client, enrol) -> None:
    key, (device, verdict) = create(admin, AttestationGate()), enrol()
    assert refusal(lambda: backend.signing.sign(key, b"m")) == "ATTESTATION_REQUIRED"
    signature = backend.signing.sign(key, b"m", device=device)
    assert f'"verdict":"{verdict}"' in signature.log.entry.decode()
    assert backend.signing.sign(key, b"m", device=device.rpartition("/")[2]).signature, "short names do"
    assert backend.signing.sign_stream(key, [b"m"], device=device).signature
    unknown = f"tenants/default/devices/{uuid.uuid4()}"
    assert refusal(lambda: backend.signing.sign(key, b"m", device=unknown), NotFound) == "RESOURCE_NOT_FOUND"
    admin.revocations.revoke(device, "DEVICE_COMPROMISED")
    assert refusal(lambda: backend.signing.sign(key, b"m", device=device)) == "DEVICE_REVOKED"


def test_a_key_without_a_gate_takes_no_device(admin: Client, backend: Client, enrol) -> None:
    key, (device, _) = create(admin, None), enrol()
    assert refusal(lambda: backend.signing.sign(key, b"m", device=device), InvalidArgument) == "FIELD_INVALID"
    assert "verdict" not in backend.signing.sign(key, b"m").log.entry.decode()


@pytest.mark.parametrize(
    "gate",
    [
        AttestationGate(formats=(EvidenceFormat.TPM,)),
        AttestationGate(minimum_level=SecurityLevel.TPM),
        AttestationGate(device_classes=(DeviceClass.FACTORY,)),
        AttestationGate(measurements={"PCR0": (bytes(32),)}),
    ],
)
def test_the_device_must_fit(admin: Client, backend: Client, enrol, gate: AttestationGate) -> None:
    key, (device, _) = create(admin, gate), enrol()
    assert refusal(lambda: backend.signing.sign(key, b"m", device=device)) == "VERDICT_INSUFFICIENT"


def test_a_batch_is_judged_item_by_item(admin: Client, backend: Client, enrol) -> None:
    key, (device, _) = create(admin, AttestationGate()), enrol()
    items = [ToSign(name=key, data=b"1", device=device), ToSign(name=key, data=b"2")]
    first, second = backend.signing.sign_many(items)
    assert not isinstance(first, HallmarkError)
    assert isinstance(second, FailedPrecondition)
    assert second.reason == "ATTESTATION_REQUIRED"


def test_envelopes_and_data_keys(admin: Client, backend: Client, enrol) -> None:
    key, (device, verdict) = create(admin, AttestationGate(), "ENVELOPE"), enrol()
    envelope = sealed(backend, key)
    assert refusal(lambda: backend.envelopes.open(envelope)) == "ATTESTATION_REQUIRED"
    assert refusal(lambda: backend.envelopes.data_key(key)) == "ATTESTATION_REQUIRED"
    opened = backend.envelopes.open(envelope, device=device)
    made = backend.envelopes.data_key(key, device=device)
    assert opened.plaintext == b"secret"
    for log in (opened.log, made.log):
        assert f'"verdict":"{verdict}"' in log.entry.decode()
    (many,) = backend.envelopes.open_many([envelope], device=device)
    assert not isinstance(many, HallmarkError)


def test_a_wider_gate_is_a_looser_setting(admin: Client) -> None:
    gate = AttestationGate(max_verdict_age=timedelta(hours=1), minimum_level=SecurityLevel.TEE)
    key = create(admin, gate)
    looser = [
        AttestationGate(max_verdict_age=timedelta(hours=2), minimum_level=SecurityLevel.TEE),
        AttestationGate(max_verdict_age=timedelta(hours=1)),
        AttestationGate(
            max_verdict_age=timedelta(hours=1), minimum_level=SecurityLevel.TEE, device_classes=tuple(DeviceClass)[:3]
        ),
        AttestationGate(max_verdict_age=timedelta(hours=1), minimum_level=SecurityLevel.TEE, device_callers=True),
        "remove",
    ]
    for wanted in looser:
        assert admin.keys.rehearse_update(key, attestation_gate=wanted).loosened == ("attestation_gate",)
    stricter = AttestationGate(
        max_verdict_age=timedelta(minutes=1),
        minimum_level=SecurityLevel.STRONGBOX,
        formats=(EvidenceFormat.ANDROID_KEY,),
        measurements={"PCR0": (bytes(32),)},
    )
    assert admin.keys.rehearse_update(key, attestation_gate=stricter).loosened == ()
    assert admin.keys.update(key, attestation_gate=stricter).attestation_gate == stricter
    assert admin.keys.update(key, attestation_gate="remove").attestation_gate is None


def test_role_device_without_an_attested_key_uses_nothing(admin: Client, client_under_test) -> None:
    key = create(admin, AttestationGate(device_callers=True))
    stranger = client_under_test("device")
    assert refusal(lambda: stranger.signing.sign(key, b"m"), PermissionDenied) == "ROLE_NOT_ALLOWED"


def test_devices_of_the_fake_use_what_is_open_to_them() -> None:
    """The certificate of an attested device names it; the real service gives one in AttestDevice (tests/rpc)."""
    fake = FakeService()
    with fake.client() as admin:
        phone = fake.virtual_device()
        challenge = admin.devices.create_challenge()
        answer = admin.devices.attest(challenge.name, phone.attest(challenge.challenge), key_spki=phone.key_spki)
        assert answer.device is not None
        opened, closed = create(admin, AttestationGate(device_callers=True)), create(admin, AttestationGate())
        with fake.client(role="device", name=f"d-{answer.device.name.rpartition('/')[2]}") as device:
            assert device.signing.sign(opened, b"m").signature
            assert refusal(lambda: device.signing.sign(closed, b"m"), PermissionDenied) == "ROLE_NOT_ALLOWED"
            other = f"tenants/default/devices/{uuid.uuid4()}"
            named = refusal(lambda: device.signing.sign(opened, b"m", device=other), PermissionDenied)
            assert named == "ROLE_NOT_ALLOWED"


def test_a_verdict_of_the_fake_grows_old() -> None:
    """The real service's clock is not ours to move (tests/rpc waits)."""
    moment = [datetime(2026, 11, 20, tzinfo=UTC)]
    fake = FakeService(now=lambda: moment[0])
    with fake.client() as admin:
        phone = fake.virtual_device()
        challenge = admin.devices.create_challenge()
        answer = admin.devices.attest(challenge.name, phone.attest(challenge.challenge), key_spki=phone.key_spki)
        assert answer.device is not None
        device, key = answer.device.name, create(admin, AttestationGate(max_verdict_age=timedelta(hours=1)))
        assert admin.signing.sign(key, b"m", device=device).signature
        moment[0] += timedelta(hours=1, seconds=1)
        assert refusal(lambda: admin.signing.sign(key, b"m", device=device)) == "VERDICT_TOO_OLD"
