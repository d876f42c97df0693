"""An update from the repository into the vault: what is there afterwards, what was fetched, and when which key was asked."""

import secrets
import shutil
from pathlib import Path

import pytest

from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_client.device.errors import ArtifactExists, ArtifactSuspended
from hallmark_client.device.life.fates import MODEL_LABEL
from hallmark_client.device.updates import (
    Available,
    ContentKeyInvalid,
    ContentKeyRefused,
    EpochReused,
    NoSpace,
    Progress,
    ReleaseRevoked,
    ReleaseSuspended,
    Stage,
    UpdateRunning,
    UpdateSettings,
    UpToDate,
)
from hallmark_client.errors import EnvelopeInvalid, FailedPrecondition, NotFound, Unavailable
from hallmark_client.model.consents import ArtifactKind
from hallmark_release.errors import ContentInvalid, EpochTooOld, MetadataRolledBack, ReleaseMismatch
from unit.hallmark_client.device.updates.update_world import APP, MIB, CountingSource, UpdateDevice, no_plaintext
from unit.hallmark_release.release_world import MODEL, Publisher, later, release_files

FILES = {
    "config.json": b'{"hidden": 4096}' * 9,
    "tokenizer.json": b"{}",
    "weights/model.safetensors": secrets.token_bytes(9 * MIB + 5),
}


def acts(device: UpdateDevice) -> list[tuple[AuditAct, AuditOutcome]]:
    return [(entry.record.act, entry.record.outcome) for entry in device.vault.audit.entries()]


def test_from_repository_to_vault(publisher: Publisher, device: UpdateDevice) -> None:
    built = publisher.publish(FILES, epoch=3)
    told: list[Progress] = []
    available = device.updater().check(MODEL)
    assert isinstance(available, Available)
    assert (available.size, available.installed) == (built.index.encrypted_size, None)
    assert device.asked == []
    installed = device.updater().update(MODEL, progress=told.append)
    device.check_installed(built, FILES)
    assert installed.is_new
    assert installed.fetched == built.index.encrypted_size
    assert installed.artifact == device.installed()
    assert installed.artifact.kind is ArtifactKind.MODEL_WEIGHTS
    assert installed.artifact.labels == {MODEL_LABEL: f"tenants/default/models/{MODEL}", "version": "1.3"}
    assert installed.artifact.subject == f"tenants/default/artifacts/{built.statement.sha256.hex()}"
    assert device.asked == [(installed.artifact.subject, 3)]
    for stage in Stage:
        of_stage = [each for each in told if each.stage is stage]
        assert [each.done for each in of_stage] == sorted(each.done for each in of_stage)
        assert of_stage[-1].done == of_stage[-1].total == built.index.encrypted_size
    assert acts(device)[-2:] == [
        (AuditAct.PUT, AuditOutcome.DONE),
        (AuditAct.UPDATE_INSTALLED, AuditOutcome.DONE),
    ]
    no_plaintext(device.folder, FILES)
    assert device.vault.check().damages == ()


def test_the_second_time_nothing_happens(publisher: Publisher, device: UpdateDevice, source: CountingSource) -> None:
    publisher.publish(FILES)
    device.update()
    source.read.clear()
    entries = device.vault.audit.head()
    again = device.update()
    assert (again.is_new, again.fetched, again.removed) == (False, 0, ())
    assert isinstance(device.updater().check(MODEL), UpToDate)
    assert source.part_bytes == 0
    assert len(device.asked) == 1
    assert device.vault.audit.head() == entries


def test_the_newest_versions_stay(publisher: Publisher, device: UpdateDevice) -> None:
    device.settings = UpdateSettings(keep=2)
    for epoch in (1, 2, 5):
        built = publisher.publish(FILES | {"n": b"%d" % epoch}, epoch=epoch, now=later(hours=epoch))
        installed = device.update()
        device.check_installed(built, FILES | {"n": b"%d" % epoch})
    assert [each.version for each in device.vault.artifacts()] == [2, 5]
    assert [each.version for each in installed.removed] == [1]
    device.settings = UpdateSettings(keep=1)
    assert [each.version for each in device.update().removed] == [2]


def test_models_beside_each_other(publisher: Publisher, device: UpdateDevice) -> None:
    publisher.publish(FILES, epoch=1)
    publisher.publish({"a": b"b"}, epoch=7, model="other", now=later(hours=1))
    device.update()
    device.update("other")
    assert {(each.name, each.version) for each in device.vault.artifacts()} == {(MODEL, 1), ("other", 7)}


def test_what_was_deleted_here_can_be_had_again(publisher: Publisher, device: UpdateDevice) -> None:
    built = publisher.publish(FILES)
    device.update()
    device.vault.delete(MODEL)
    assert device.update().is_new
    device.check_installed(built, FILES)


def test_an_empty_folder_of_updates_forgets_nothing_that_matters(
    publisher: Publisher, device: UpdateDevice, tmp_path: Path
) -> None:
    publisher.publish(FILES, epoch=1)
    old = shutil.copytree(publisher.served, tmp_path / "old")
    publisher.publish(FILES, epoch=2, now=later(hours=1))
    device.update()
    shutil.rmtree(device.folder / "updates")
    device.vault.delete(MODEL)
    device.reopen()
    device.source = CountingSource(old)
    with pytest.raises(EpochTooOld):
        device.update()


def test_what_was_seen_is_remembered_before_it_is_installed(
    publisher: Publisher, device: UpdateDevice, tmp_path: Path
) -> None:
    publisher.publish(FILES, epoch=1)
    old = shutil.copytree(publisher.served, tmp_path / "old")
    publisher.publish(FILES, epoch=2, now=later(hours=1))
    device.updater().check(MODEL)
    device.source = CountingSource(old)
    with pytest.raises(MetadataRolledBack):
        device.update()


def test_two_releases_with_one_epoch(publisher: Publisher, device: UpdateDevice) -> None:
    publisher.publish(FILES, epoch=4)
    device.update()
    shutil.rmtree(publisher.folder / f"plain-{MODEL}-4")
    second = publisher.build({"evil": b"weights"}, epoch=4)
    publisher.list_anything(release_files(second))
    with pytest.raises(EpochReused):
        device.update()
    device.vault.delete(MODEL)
    with pytest.raises(EpochReused):
        device.update()


def test_something_else_of_that_name_and_version(publisher: Publisher, device: UpdateDevice) -> None:
    publisher.publish(FILES, epoch=4)
    device.vault.put([b"mine"], name=MODEL, kind=ArtifactKind.OTHER, version=4)
    with pytest.raises(EpochReused):
        device.update()
    assert device.vault.read(MODEL, caller=APP) == b"mine"


def test_a_release_of_another_tenant(publisher: Publisher, device: UpdateDevice, monkeypatch) -> None:
    monkeypatch.setattr("unit.hallmark_release.release_world.TENANT", "acme")
    publisher.list_anything(release_files(publisher.build(FILES)))
    with pytest.raises(ReleaseMismatch, match="tenant acme"):
        device.update()


def test_one_update_at_a_time(publisher: Publisher, device: UpdateDevice, source: CountingSource) -> None:
    publisher.publish(FILES)
    refused = []

    def second(_: str, portion: bytes) -> bytes:
        try:
            device.update()
        except UpdateRunning as error:
            refused.append(error)
        return portion

    source.on_portion = second
    device.update()
    assert refused


class Saying:
    def __init__(self, why: str) -> None:
        self.why = why

    def check(self, artifact) -> None:
        assert artifact.labels[MODEL_LABEL] == f"tenants/default/models/{MODEL}"
        if self.why:
            raise ArtifactSuspended("ARTIFACT_SUSPENDED", "no", metadata={"why": self.why})


@pytest.mark.parametrize(
    ("why", "error"),
    [
        ("withdrawn", ReleaseRevoked),
        ("expired", ReleaseRevoked),
        ("deleting", ReleaseRevoked),
        ("superseded", ReleaseRevoked),
        ("DEVICE_REVOKED", ReleaseRevoked),
        ("suspended", ReleaseSuspended),
        ("silent", ReleaseSuspended),
    ],
)
def test_permission_is_asked_before_anything_is_fetched(
    publisher: Publisher, device: UpdateDevice, source: CountingSource, why: str, error: type
) -> None:
    built = publisher.publish(FILES)
    device.permissions = Saying(why)
    for act in (device.updater().check, device.update):
        with pytest.raises(error) as refused:
            act(MODEL)
        assert refused.value.metadata["why"] == why
    assert source.part_bytes == 0
    assert device.installed() is None
    assert acts(device)[-1] == (AuditAct.UPDATE_INSTALLED, AuditOutcome.DENIED)
    device.permissions = Saying("not yet")  # a lease that is as old as the last word of the service
    device.update()
    device.permissions = None
    device.reopen()
    device.check_installed(built, FILES)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (FailedPrecondition("ARTIFACT_REVOKED", "no"), ReleaseRevoked),
        (FailedPrecondition("ARTIFACT_SUPERSEDED", "no"), ReleaseRevoked),
        (FailedPrecondition("ARTIFACT_SUSPENDED", "no"), ReleaseSuspended),
        (FailedPrecondition("LEASE_REQUIRED", "no"), ContentKeyRefused),
        (NotFound("RELEASE_NOT_FOUND", "no"), ContentKeyRefused),
        (EnvelopeInvalid("ENVELOPE_INVALID", "no"), ContentKeyInvalid),
        (Unavailable("UNAVAILABLE", "no"), Unavailable),
    ],
    ids=lambda value: getattr(value, "reason", None),
)
def test_a_key_that_is_not_given(
    publisher: Publisher, device: UpdateDevice, source: CountingSource, raised: Exception, error: type
) -> None:
    built = publisher.publish(FILES)

    def refuse(artifact: str, epoch: int) -> bytearray:
        raise raised

    device.key = refuse
    with pytest.raises(error):
        device.update()
    assert device.installed() is None
    assert bool(device.waiting()) is (error is not ReleaseRevoked)
    device.key = None
    fetched = device.update().fetched
    assert fetched == (built.index.encrypted_size if error is ReleaseRevoked else 0)
    device.check_installed(built, FILES)


def test_a_wrong_key_opens_nothing(publisher: Publisher, device: UpdateDevice) -> None:
    built = publisher.publish(FILES)
    given: list[bytearray] = []
    for key, error in ((bytearray(32), ContentInvalid), (bytearray(b"short"), ContentKeyInvalid)):
        given.append(key)
        device.key = lambda artifact, epoch, key=key: key
        with pytest.raises(error):
            device.update()
        assert device.installed() is None
    device.key = lambda artifact, epoch: given.append(bytearray(publisher.content_keys[epoch])) or given[-1]
    assert device.update().fetched == 0
    device.check_installed(built, FILES)
    assert all(not any(key) for key in given), "keys are wiped"


def test_what_was_fetched_of_one_model_outlives_the_update_of_another(
    publisher: Publisher, device: UpdateDevice
) -> None:
    built = publisher.publish(FILES, epoch=1)
    other = publisher.publish({"other.json": b"{}"}, epoch=2, model="other")
    device.key = lambda artifact, epoch: bytearray(32)
    with pytest.raises(ContentInvalid):
        device.update()
    device.key = lambda artifact, epoch: bytearray(publisher.content_keys[epoch])
    assert device.updater().update("other").fetched == other.index.encrypted_size
    assert device.update().fetched == 0
    device.check_installed(built, FILES)


def test_there_must_be_room(publisher: Publisher, device: UpdateDevice, source, monkeypatch) -> None:
    publisher.publish(FILES)
    full = shutil.disk_usage(device.folder)._replace(free=17 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(NoSpace) as refused:
        device.update()
    assert int(refused.value.metadata["needed"]) > int(refused.value.metadata["free"]) == 17 * MIB
    assert source.part_bytes == 0


def test_a_vault_that_refuses_leaves_the_download(publisher: Publisher, device: UpdateDevice) -> None:
    """The name and version were taken meanwhile."""
    publisher.publish(FILES, epoch=2)

    def taken(artifact: str, epoch: int) -> bytearray:
        device.vault.put([b"x"], name=MODEL, kind=ArtifactKind.OTHER, version=2)
        return bytearray(publisher.content_keys[2])

    device.key = taken
    with pytest.raises(ArtifactExists):
        device.update()
    assert device.waiting()
