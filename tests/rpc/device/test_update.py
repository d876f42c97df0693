"""Releases from the real service onto a real device: published by the command line, keys asked for, revoked, consented."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hallmark_client import Client
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown
from hallmark_client.device.updates import ContentKeyRefused, ReleaseRevoked, UpToDate
from hallmark_client.model.consents import ArtifactKind, ConsentArtifact
from hallmark_release import ReleaseTrust
from kms.cli.release.group import release
from rpc.device.world import APP, Place, until
from rpc.wire import fresh_id
from support.service import RunningService


class Shop:
    """`hallmark release` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.model, self.keys = f"model-{secrets.token_hex(4)}", f"keys-{secrets.token_hex(4)}"
        self.weights = b""
        self.folder = folder
        self.run("init", "--keys", self.keys)

    def run(self, *arguments: str) -> str:
        result = CliRunner().invoke(release, arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def publish(self, version: str, *more: str) -> str:
        """SHA-256 of the statement."""
        self.weights = secrets.token_bytes(5_000_000)
        (self.folder / "model").mkdir(exist_ok=True)
        (self.folder / "model" / "w.bin").write_bytes(self.weights)
        self.run("publish", "model", "--model", self.model, "--version", version, "--keys", self.keys, *more)
        (newest, *_) = json.loads(self.run("list", "--model", self.model, "--json"))
        return str(newest["name"]).rpartition("/")[2]

    def trust(self) -> ReleaseTrust:
        return ReleaseTrust.load(next(self.folder.rglob("log.policy")).parent)

    def repository(self) -> Path:
        return next(self.folder.rglob("timestamp.json")).parent.parent


@pytest.fixture
def shop(service: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shop:
    monkeypatch.setenv("HALLMARK_HOME", str(service.home))
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return Shop(tmp_path / "shop")


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


@pytest.fixture
def place(service: RunningService, tmp_path: Path) -> Place:
    return Place(service, tmp_path / "device")


def test_installed_replaced_and_revoked(service: RunningService, place: Place, shop: Shop) -> None:
    shop.publish("1.0")
    with place.enrol() as device:
        device.start()
        first = device.update(shop.model, shop.repository(), shop.trust())
        assert device.vault.read(shop.model, part="w.bin", caller=APP) == shop.weights
        assert isinstance(device.updater(shop.repository(), shop.trust()).check(shop.model), UpToDate)
        digest = shop.publish("1.1", "--minimum-epoch", "2", "--as", "admin")
        until(lambda: not device.vault.artifacts(), device.status)  # by the minimum epoch that the feed tells
        second = device.update(shop.model, shop.repository(), shop.trust())
        assert (first.artifact.version, second.artifact.version) == (1, 2)
        assert second.artifact.digest == digest
        assert device.vault.read(shop.model, part="w.bin", caller=APP) == shop.weights
        with service.client() as admin:
            admin.revocations.revoke(second.artifact.subject, reason="KEY_COMPROMISE")
        until(lambda: _refused(device), device.status)


def _refused(device) -> bool:
    (artifact,) = device.vault.artifacts() or (None,)
    if artifact is None:
        return True
    try:
        device.vault.read(artifact.name, part="w.bin", caller=APP)
    except (ArtifactSuspended, ArtifactUnknown):
        return True
    return False


def test_with_a_consent_alone(backend: Client, place: Place, shop: Shop) -> None:
    digest = shop.publish("1.0", "--requires-consent")
    with place.enrol() as device:
        device.start()
        with pytest.raises(ContentKeyRefused) as refused:
            device.update(shop.model, shop.repository(), shop.trust())
        assert refused.value.reason == "LEASE_REQUIRED"
        consent = backend.consents.grant(
            fresh_id(),
            controller="https://bank.example",
            purposes=["dpv:IdentityVerification"],
            artifacts=[ConsentArtifact(artifact=digest, kind=ArtifactKind.MODEL_WEIGHTS)],
            devices=[device.name],
        ).consent.name
        installed = device.update(shop.model, shop.repository(), shop.trust(), consent=consent)
        assert installed.fetched == 0, "what came before the refusal was kept"
        assert device.vault.read(shop.model, part="w.bin", caller=APP) == shop.weights
        backend.consents.withdraw(consent)
        until(lambda: not device.vault.artifacts(), device.status)
        with pytest.raises((ReleaseRevoked, ContentKeyRefused)):
            device.update(shop.model, shop.repository(), shop.trust(), consent=consent)
        assert not device.vault.artifacts()
