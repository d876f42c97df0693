"""Attacks on, and events in the life of, the device: keys of others, revocation and withdrawal in the middle."""

import secrets
from dataclasses import dataclass, field

import pytest

from chaos.chaos_world import LARGE, SOON, Chaos, later
from hallmark_client.device.life.artifact_keys import opened
from hallmark_client.device.life.fates import Told
from hallmark_client.device.life.permissions import LeasePermissions
from hallmark_client.device.updates import ContentKeyInvalid, EpochReused, ReleaseRevoked, ReleaseSuspended
from hallmark_client.model.releases import ArtifactKey, artifact_key_info
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_envelope import EnvelopePrivateKey, HpkeKem, seal_envelope
from hallmark_events.lease import Decision, Shred, Suspended, Why
from hallmark_release.errors import ContentInvalid, PieceInvalid
from unit.hallmark_release.release_world import MODEL, release_files

KEM = HpkeKem.MLKEM768_X25519
DEVICE, OTHER = "tenants/default/devices/this", "tenants/default/devices/other"
OWN_KEY = EnvelopePrivateKey.from_seed(KEM, bytes(range(32)))
OTHER_KEY = EnvelopePrivateKey.from_seed(KEM, bytes(range(1, 33)))


@pytest.fixture
def files() -> dict[str, bytes]:
    return LARGE


@dataclass
class Service:
    """Answers for a key as the real one does; `device` and `key`: who it is sealed to."""

    content_key: bytes
    device: str = DEVICE
    key: EnvelopePrivateKey = OWN_KEY
    epoch: int = 2
    artifact: str = ""
    nonce: bytes = b""

    def request_key(self, artifact: str, epoch: int) -> bytearray:
        """The device's side: a question with a nonce, and the answer opened with its own key."""
        nonce = secrets.token_bytes(32)
        info = artifact_key_info(
            artifact=self.artifact or artifact,
            device=self.device,
            epoch=self.epoch,
            public_key=self.key.public_key,
            nonce=self.nonce or nonce,
        )
        envelope = seal_envelope(self.key.public_key, KEM, self.content_key, info=info)
        answer = ArtifactKey(release="r", kem_id=int(KEM), envelope=envelope, info=info, lease=None, log=None)
        return opened(answer, OWN_KEY, device=DEVICE, artifact=artifact, nonce=nonce, epoch=epoch)


@pytest.mark.parametrize(
    "changed",
    [
        {"device": OTHER, "key": OTHER_KEY},
        {"device": OTHER},
        {"key": OTHER_KEY},
        {"epoch": 1},
        {"artifact": "tenants/default/artifacts/" + "0" * 64},
        {"nonce": b"of an earlier question"},
    ],
    ids=["another-device", "its-name", "its-key", "another-epoch", "another-release", "a-replayed-answer"],
)
def test_a_key_that_is_sealed_for_something_else(chaos: Chaos, changed: dict) -> None:
    content_key = chaos.publisher.content_keys[2]
    chaos.device.key = Service(content_key, **changed).request_key
    chaos.refused(ContentKeyInvalid)
    chaos.device.key = Service(content_key).request_key
    chaos.recovers()


def test_the_content_key_of_another_release(chaos: Chaos) -> None:
    chaos.device.key = Service(chaos.publisher.content_keys[1]).request_key
    chaos.refused(ContentInvalid)
    chaos.device.key = None
    chaos.recovers()


@dataclass
class Feed:
    """What the service has told, for LeasePermissions."""

    decision: Decision | NotGranted = field(default_factory=NotGranted)
    told: Told = field(default_factory=Told)
    shredded: int = 0

    def permissions(self) -> LeasePermissions:
        return LeasePermissions(
            lambda subject: Use(subject=subject, lease="", decision=self.decision),
            lambda: self.told,
            on_shred=self._shred,
        )

    def _shred(self) -> None:
        self.shredded += 1


def revoked(feed: Feed, chaos: Chaos) -> None:
    feed.decision = Suspended(Why.WITHDRAWN)


def consent_withdrawn(feed: Feed, chaos: Chaos) -> None:
    feed.decision = Shred(Why.WITHDRAWN)


def superseded(feed: Feed, chaos: Chaos) -> None:
    feed.told = Told(minimums={f"tenants/default/models/{MODEL}": 3})


def to_be_deleted(feed: Feed, chaos: Chaos) -> None:
    feed.told = Told(doomed=frozenset({f"tenants/default/artifacts/{chaos.built.statement.sha256.hex()}"}))


def device_revoked(feed: Feed, chaos: Chaos) -> None:
    feed.told = Told(blocked="DEVICE_REVOKED")


@pytest.mark.parametrize("event", [revoked, consent_withdrawn, superseded, to_be_deleted, device_revoked])
def test_it_ends_in_the_middle_of_the_download(chaos: Chaos, event) -> None:
    """The service's word arrives when a third of it is here: nothing stays of it, not even encrypted."""
    feed, source = Feed(), chaos.in_between()
    before = chaos.device.waiting()

    def told(path: str, portion: bytes) -> bytes:
        if path.startswith("parts/") and source.part_bytes > chaos.built.index.encrypted_size // 3:
            event(feed, chaos)
            chaos.device.passes(1.0)
        return portion

    source.on_portion = told
    chaos.device.permissions = feed.permissions()
    chaos.refused(ReleaseRevoked)
    assert source.part_bytes < chaos.built.index.encrypted_size
    assert chaos.device.asked[-1][1] == 1, "no key was asked for"
    assert chaos.device.waiting() == before == []
    chaos.device.permissions = Feed().permissions()
    chaos.recovers()


def test_suspended_in_the_middle_and_resumed(chaos: Chaos) -> None:
    """What came through stays, encrypted, and is not fetched again."""
    feed, source = Feed(), chaos.in_between()

    def told(path: str, portion: bytes) -> bytes:
        if path.startswith("parts/") and source.part_bytes > chaos.built.index.encrypted_size * 2 // 3:
            feed.decision = Suspended(Why.SUSPENDED)
            chaos.device.passes(1.0)
        return portion

    source.on_portion = told
    chaos.device.permissions = feed.permissions()
    chaos.refused(ReleaseSuspended)
    assert chaos.device.waiting()
    feed.decision = NotGranted()
    source = chaos.in_between()
    installed = chaos.device.update()
    assert 0 < installed.fetched < chaos.built.index.encrypted_size
    chaos.device.check_installed(chaos.built, chaos.files)


@pytest.mark.parametrize("event", [revoked, consent_withdrawn])
def test_it_ends_while_the_key_is_on_its_way(chaos: Chaos, event) -> None:
    feed = Feed()

    def key(artifact: str, epoch: int) -> bytearray:
        event(feed, chaos)
        chaos.device.passes(1.0)
        return bytearray(chaos.publisher.content_keys[epoch])

    chaos.device.key, chaos.device.permissions = key, feed.permissions()
    chaos.refused(ReleaseRevoked)
    assert chaos.device.waiting() == []
    chaos.device.key, chaos.device.permissions = None, Feed().permissions()
    chaos.recovers()


def test_pieces_that_were_changed_on_the_devices_disk(chaos: Chaos) -> None:
    """After they were fetched, before they were opened."""

    def key(artifact: str, epoch: int) -> bytearray:
        file = max(chaos.device.waiting(), key=lambda path: path.stat().st_size)
        data = bytearray(file.read_bytes())
        data[5_000_000] ^= 1
        file.write_bytes(data)
        return bytearray(chaos.publisher.content_keys[epoch])

    chaos.device.key = key
    chaos.refused(PieceInvalid)
    chaos.device.key = None
    chaos.recovers()


def test_two_releases_under_one_epoch(chaos: Chaos) -> None:
    """Both keys signed both, and the log has both: the device says so, and keeps to the first that it believed."""
    chaos.device.updater().check(MODEL)
    (chaos.publisher.folder / f"plain-{MODEL}-2" / "weights.bin").write_bytes(b"others")
    second = chaos.publisher.build({}, epoch=2)
    chaos.publisher.list_anything(release_files(second))
    chaos.refused(EpochReused)
    chaos.publish_next()
    chaos.recovers()


def test_clock_forward_then_right_again_with_a_download_in_between(chaos: Chaos) -> None:
    chaos.device.time = later(days=3)
    file = next((chaos.copied() / chaos.built.index.part("weights.bin").location).parent.iterdir())
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[: len(data) // 2])
    chaos.refused(PieceInvalid)
    chaos.device.time = SOON
    chaos.recovers()
