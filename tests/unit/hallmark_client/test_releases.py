"""Keys of releases on a device: the real client over the fake, whose HPKE is real."""

import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hallmark_client import Client, EnvelopeInvalid, FailedPrecondition, NotFound, VerificationFailed
from hallmark_client.model.attestation_gate import AttestationGate
from hallmark_client.model.devices import DeviceHpkeKey
from hallmark_client.model.releases import ArtifactKey, Release, artifact_key_info
from hallmark_client.testing import FakeService
from hallmark_envelope import EnvelopePrivateKey, HpkeKem

KEM = HpkeKem.MLKEM768_X25519
NONCE = bytes(range(16))


@dataclass
class Clock:
    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Phone:
    name: str
    hpke: EnvelopePrivateKey
    client: Client

    def ask(self, release: Release, **more: Any) -> ArtifactKey:
        return self.client.releases.request_key(release.artifact, **{"nonce": NONCE, **more})

    def open(self, key: ArtifactKey, release: Release, **changes: Any) -> bytearray:
        known = {"artifact": release.artifact, "device": self.name, "epoch": release.epoch, "nonce": NONCE}
        return key.open(self.hpke, **{**known, **changes})


@dataclass(frozen=True)
class World:
    fake: FakeService
    clock: Clock
    admin: Client

    def phone(self, seed: int = 1, *, hpke: bool = True) -> Phone:
        private = EnvelopePrivateKey.from_seed(KEM, bytes([seed]) * 32)
        registered = DeviceHpkeKey(kem_id=int(KEM), public_key=private.public_key, signature=b"checked by a service")
        challenge, device = self.admin.devices.create_challenge(), self.fake.virtual_device()
        answer = self.admin.devices.attest(
            challenge.name,
            device.attest(challenge.challenge),
            key_spki=device.key_spki,
            hpke_key=registered if hpke else None,
        )
        assert answer.device is not None
        client = self.fake.client(role="device", name=f"d-{answer.device.name.rpartition('/')[2]}")
        return Phone(answer.device.name, private, client)

    def release(self, epoch: int = 1, *, gate: AttestationGate | None = None, **more: Any) -> tuple[Release, bytes]:
        """And its content key."""
        name = f"key-{uuid.uuid4().hex[:8]}"
        self.admin.keys.create(name, algorithm="HPKE-MLKEM768-X25519", purpose="ENVELOPE")
        info = self.admin.releases.content_key_info("example-7b", version=f"1.{epoch}", epoch=epoch)
        made = self.admin.envelopes.data_key(name, info=info)
        if gate is not None:
            self.admin.keys.update(name, attestation_gate=gate)
        created = self.admin.releases.create(
            "example-7b",
            version=f"1.{epoch}",
            epoch=epoch,
            kind="model-weights",
            statement_sha256=hashlib.sha256(uuid.uuid4().bytes).digest(),
            index_sha256=bytes(32),
            key_version=made.key_version,
            content_key_envelope=made.envelope,
            **more,
        )
        return created.release, made.plaintext


@pytest.fixture
def world() -> World:
    clock = Clock()
    fake = FakeService(now=clock)
    return World(fake, clock, fake.client())


def reason(act: Any, kind: Any = FailedPrecondition) -> str:
    with pytest.raises(kind) as refused:
        act()
    found: str = refused.value.reason
    return found


def test_the_device_opens_what_it_asked_for(world: World) -> None:
    release, content_key = world.release(epoch=4)
    phone = world.phone()
    key = phone.ask(release, wait="published")
    opened = phone.open(key, release)
    assert isinstance(opened, bytearray)
    assert bytes(opened) == content_key
    assert (key.release, key.lease) == (release.name, None)
    assert key.info == artifact_key_info(
        artifact=release.artifact, device=phone.name, epoch=4, public_key=phone.hpke.public_key, nonce=NONCE
    )
    key.log.verify(world.fake.verifier_keys, world.fake.origin)


def test_the_answer_to_another_question_is_refused(world: World) -> None:
    release, _ = world.release()
    phone, other = world.phone(1), world.phone(2)
    key = phone.ask(release)
    for changes in (
        {"nonce": bytes(16)},
        {"epoch": 2},
        {"device": other.name},
        {"artifact": release.artifact[:-64] + "0" * 64},
    ):
        assert reason(lambda c=changes: phone.open(key, release, **c), VerificationFailed) == "ARTIFACT_KEY_MISMATCH"
    assert reason(lambda: other.open(key, release), VerificationFailed) == "ARTIFACT_KEY_MISMATCH"
    for damaged in (
        replace(key, envelope=key.envelope[:-1] + bytes([key.envelope[-1] ^ 1])),
        replace(key, envelope=b""),
    ):
        assert reason(lambda d=damaged: phone.open(d, release), EnvelopeInvalid) == "ENVELOPE_INVALID"
    assert reason(lambda: phone.open(replace(key, kem_id=0x51), release), VerificationFailed) == "ARTIFACT_KEY_MISMATCH"


def test_a_retry_gets_the_same_envelope(world: World) -> None:
    release, _ = world.release()
    phone, request_id = world.phone(), str(uuid.uuid4())
    assert phone.ask(release, request_id=request_id) == phone.ask(release, request_id=request_id)
    world.fake.lose_answer("RequestArtifactKey")
    phone.open(phone.ask(release), release)


def test_what_closes_a_release(world: World) -> None:
    first, _ = world.release(1)
    second, _ = world.release(2, minimum_epoch=2)
    phone = world.phone()
    assert reason(lambda: phone.ask(first)) == "ARTIFACT_SUPERSEDED"
    world.admin.artifacts.suspend(second.artifact)
    assert reason(lambda: phone.ask(second)) == "ARTIFACT_SUSPENDED"
    world.admin.artifacts.resume(second.artifact)
    phone.open(phone.ask(second), second)


def test_the_device_must_be_believed(world: World) -> None:
    plain, _ = world.release(1)
    gated, _ = world.release(2, gate=AttestationGate(max_verdict_age=timedelta(minutes=1)))
    phone = world.phone()
    phone.open(phone.ask(gated), gated)
    world.clock.now += timedelta(minutes=2)
    assert reason(lambda: phone.ask(gated)) == "VERDICT_TOO_OLD"
    phone.open(phone.ask(plain), plain)
    world.clock.now += timedelta(days=1)
    assert reason(lambda: phone.ask(plain)) == "VERDICT_TOO_OLD"
    assert reason(lambda: world.phone(2, hpke=False).ask(plain)) == "DEVICE_KEY_MISSING"
    lost = world.phone(3)
    world.admin.revocations.revoke(lost.name, reason="DEVICE_LOST")
    assert reason(lambda: lost.ask(plain)) == "DEVICE_REVOKED"


def test_consent_where_the_release_requires_it(world: World) -> None:
    release, _ = world.release(requires_consent=True)
    phone, other = world.phone(1), world.phone(2)
    assert reason(lambda: phone.ask(release)) == "LEASE_REQUIRED"
    consent = world.admin.consents.grant(
        "alice", controller="https://bank.example", purposes=["dpv:ServiceProvision"], artifacts=[release.artifact]
    ).consent.name
    key = phone.ask(release, consent=consent)
    assert key.lease is not None
    assert (key.lease.consent, key.lease.device, key.lease.live) == (consent, phone.name, True)
    assert phone.ask(release).lease == key.lease
    world.admin.consents.withdraw(consent)
    assert reason(lambda: phone.ask(release)) == "LEASE_REQUIRED"
    named = world.admin.consents.grant(
        "bob",
        controller="https://bank.example",
        purposes=["dpv:ServiceProvision"],
        artifacts=[release.artifact],
        devices=[phone.name],
    ).consent.name
    assert reason(lambda: other.ask(release, consent=named), NotFound) == "RESOURCE_NOT_FOUND"


def test_after_a_deletion_only_consent_gives_it_back(world: World) -> None:
    release, _ = world.release()
    phone = world.phone()
    phone.ask(release)
    world.admin.removals.request(phone.name, release.artifact)
    assert reason(lambda: phone.ask(release)) == "LEASE_REQUIRED"


def test_an_audit_chain_only_grows(world: World) -> None:
    phone, other = world.phone(1), world.phone(2)
    made = phone.client.releases.anchor_audit(phone.name, size=3, head=bytes(32))
    assert (made.time, made.replayed) == (world.clock.now, False)
    assert b'"device.audit-anchored"' in made.log.entry
    for size, head in ((2, bytes(32)), (3, b"\1" * 32)):
        act = lambda s=size, h=head: phone.client.releases.anchor_audit(phone.name, size=s, head=h)  # noqa: E731
        assert reason(act) == "AUDIT_DIVERGED"
    phone.client.releases.anchor_audit(phone.name, size=4, head=b"\1" * 32)
    assert reason(lambda: other.client.releases.anchor_audit(phone.name, size=9, head=bytes(32)), NotFound)
