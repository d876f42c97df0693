"""Deleted is deleted: here, after a restart, and in every copy that was made before."""

import shutil
import sqlite3

import pytest

from hallmark_client.device.audit import AuditAct
from hallmark_client.device.errors import ArtifactUnknown, PolicyViolation, RolledBack, RootLost, RootUnavailable
from hallmark_client.device.model import Caller
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.roots.port import EpochEvidence
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World

OTHER = ArtifactKind.OTHER


def files(world: World) -> set[str]:
    return {path.name for path in (world.folder / "blobs").rglob("*") if path.is_file()}


def test_what_was_deleted_is_gone_and_the_rest_lives(world: World, app: Caller) -> None:
    vault = world.open()
    vault.keep_secret("device", b"s")
    old, kept = (vault.put([name.encode()], name=name, kind=OTHER) for name in ("old", "kept"))
    done = vault.delete("old")
    assert (done.artifacts, done.epoch_before, done.epoch_after) == ((old,), 1, 2)
    assert (done.method, done.evidence, done.audit_head) == ("cryptographic-erase", None, vault.audit.head())
    for now in (lambda: vault, world.reopen):
        again = now()
        with pytest.raises(ArtifactUnknown):
            again.read("old", caller=app)
        assert again.read("kept", caller=app) == b"kept"
        assert again.secret("device") == b"s"
    assert files(world) == {kept.parts[0].blob}
    again.put([b"new"], name="old", kind=OTHER)
    assert again.read("old", caller=app) == b"new"


def test_a_name_stands_for_all_its_versions_and_all_share_one_epoch(vault: Vault) -> None:
    for version in range(3):
        vault.put([b"x"], name="a", kind=OTHER, version=version)
    b = vault.put([b"x"], name="b", kind=OTHER)
    other = vault.put([b"x"], name="b", kind=OTHER, version=1)
    done = vault.delete("a", b)
    assert len(done.artifacts) == 4
    assert (done.epoch_before, done.epoch_after, vault.epoch) == (1, 2, 2)
    assert vault.artifacts() == (other,)
    assert vault.delete().epoch_after == 2


def test_a_copy_made_before_opens_nothing(world: World) -> None:
    world.open().put([b"x"], name="old", kind=OTHER)
    world.close()
    copy = world.folder.with_name("copy")
    shutil.copytree(world.folder, copy)
    world.open().delete("old")
    world.close()
    with pytest.raises(RolledBack, match="an older copy was put back"):
        world.open(copy)
    edit = sqlite3.connect(copy / "index.sqlite")
    with edit:
        edit.execute("UPDATE fact SET value = 2 WHERE name = 'epoch'")
    edit.close()
    with pytest.raises(RootLost):
        world.open(copy)


def test_the_key_of_a_copy_is_lost_to_whoever_has_root_and_copy(world: World) -> None:
    world.open().put([b"x"], name="old", kind=OTHER)
    index = sqlite3.connect(world.folder.with_name("taken.sqlite"))
    assert world.vault
    world.vault._state.index.connection.backup(index)
    sealed, vault_id = (
        index.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()[0] for name in ("sealed", "vault")
    )
    index.close()
    label = f"hallmark-vault/{vault_id}".encode()
    assert len(world.root.open(sealed, epoch=1, label=label)) == 32
    world.vault.delete("old")
    for epoch in (1, 2, 3):
        with pytest.raises(RootLost):
            world.root.open(sealed, epoch=epoch, label=label)


def test_another_root_opens_nothing(world: World) -> None:
    world.open()
    world.close()
    with pytest.raises(RootLost):
        Vault.open(world.folder, MemoryRoot())


def test_a_vault_ahead_of_its_root_is_not_its_vault(world: World) -> None:
    vault = world.open()
    vault.rotate()
    vault.rotate()
    world.close()
    with pytest.raises(RootLost, match="another one, or reset"):
        Vault.open(world.folder, MemoryRoot())


def test_open_readers_end_at_once(vault: Vault, app: Caller) -> None:
    vault.put([b"x" * 100_000], name="old", kind=OTHER)
    vault.put([b"kept"], name="kept", kind=OTHER)
    reader, kept = vault.get("old", caller=app), vault.get("kept", caller=app)
    assert reader.read(1) == b"x"
    vault.delete("old")
    with pytest.raises(ArtifactUnknown):
        reader.read(1)
    assert kept.read() == b"kept"


def test_the_audit_says_who_deleted_what(vault: Vault) -> None:
    artifact = vault.put([b"x"], name="old", kind=OTHER)
    vault.delete(artifact, caller=Caller(application="app"))
    entry = vault.audit.entries()[-1].record
    assert (entry.act, entry.artifact_id, entry.caller) == (AuditAct.DELETED, artifact.artifact_id, "app")
    facts = {"digest": artifact.digest, "epoch_after": "2", "epoch_before": "1", "method": "cryptographic-erase"}
    assert entry.facts == facts


def test_not_everybody_may_delete(vault: Vault) -> None:
    vault.put([b"x"], name="old", kind=OTHER)
    stranger = Caller(application="stranger")
    with pytest.raises(PolicyViolation):
        vault.delete("old", caller=stranger)
    for act in (vault.rotate, lambda caller: vault.suspend("old", caller=caller)):
        with pytest.raises(PolicyViolation, match="only the program"):
            act(caller=stranger)
    assert vault.find("old")


def test_a_new_epoch_leaves_everything_as_it_was(world: World, app: Caller) -> None:
    vault = world.open()
    artifact = vault.put([b"x"], name="a", kind=OTHER)
    reader = vault.get("a", caller=app)
    assert vault.rotate() == 2
    assert reader.read() == b"x"
    assert vault.audit.entries()[-1].record.act is AuditAct.ROTATED
    again = world.reopen()
    assert again.find("a") == artifact
    assert again.read("a", caller=app) == b"x"
    again.put([b"y"], name="b", kind=OTHER)
    assert again.find("b").epoch == 2


class AwayRoot(MemoryRoot):
    """Goes away when it should advance."""

    away = False

    def advance(self, to: int) -> None:
        if self.away:
            raise RootUnavailable("ROOT_UNAVAILABLE", "the chip does not answer")
        super().advance(to)


def test_a_root_that_goes_away_holds_up_only_the_end_of_a_deletion(world: World, app: Caller) -> None:
    world.open().put([b"x"], name="old", kind=OTHER)
    world.close()
    root = AwayRoot(world.root.state)
    vault = world.vault = Vault.open(world.folder, root)
    vault.put([b"kept"], name="kept", kind=OTHER)
    root.away = True
    with pytest.raises(RootUnavailable):
        vault.delete("old")
    with pytest.raises(ArtifactUnknown):
        vault.read("old", caller=app)
    assert vault.read("kept", caller=app) == b"kept"
    for act in (vault.delete, lambda: vault.put([b"y"], name="other", kind=OTHER)):
        with pytest.raises(RootUnavailable):
            act()
    root.away = False
    assert vault.delete().artifacts == ()
    vault.put([b"y"], name="other", kind=OTHER)
    assert (vault.epoch, root.epoch()) == (2, 2)
    assert [entry.record.act for entry in vault.audit.entries()][-2:] == [AuditAct.DELETED, AuditAct.PUT]
    assert world.reopen().audit.verify().size > 0


class CertifyingRoot(MemoryRoot):
    def evidence(self, nonce: bytes) -> EpochEvidence:
        return EpochEvidence(epoch=self.epoch(), parts={"nonce": nonce})


def test_evidence_is_of_the_epoch_after(world: World) -> None:
    world.vault = Vault.open(world.folder, CertifyingRoot(world.root.state))
    world.vault.put([b"x"], name="old", kind=OTHER)
    evidence = world.vault.delete("old", nonce=b"n" * 16).evidence
    assert evidence == EpochEvidence(epoch=2, parts={"nonce": b"n" * 16})


def test_what_is_deleted_while_the_root_is_away_is_gone_at_once_too(world: World, app: Caller) -> None:
    """The second deletion comes when the keys of the epoch after the first are made already: it needs an epoch more."""
    world.open()
    world.close()
    root = AwayRoot(world.root.state)
    vault = world.vault = Vault.open(world.folder, root)
    for name in ("first", "second", "kept"):
        vault.put([name.encode()], name=name, kind=OTHER)
    root.away = True
    with pytest.raises(RootUnavailable):
        vault.delete("first")
    taken = sqlite3.connect(world.folder.with_name("taken.sqlite"))
    vault._state.index.connection.backup(taken)
    taken.close()
    for again in range(2):
        with pytest.raises(RootUnavailable):
            vault.delete("second")
        with pytest.raises(ArtifactUnknown):
            vault.read("second", caller=app)
        assert vault.read("kept", caller=app) == b"kept", again
    root.away = False
    done = vault.delete("second", "first")
    assert {artifact.name for artifact in done.artifacts} == {"first", "second"}
    assert vault.delete().epoch_after == vault.epoch == root.epoch() == 3
    assert vault.read("kept", caller=app) == b"kept"
    world.close()
    shutil.copy(world.folder.with_name("taken.sqlite"), world.folder / "index.sqlite")
    with pytest.raises(RolledBack):
        world.open()


def test_a_crash_between_two_such_deletions_leaves_neither(world: World) -> None:
    world.open()
    world.close()
    root = AwayRoot(world.root.state)
    vault = Vault.open(world.folder, root)
    for name in ("first", "second", "kept"):
        vault.put([name.encode()], name=name, kind=OTHER)
    root.away = True
    for name in ("first", "second"):
        with pytest.raises(RootUnavailable):
            vault.delete(name)
    copy = world.folder.with_name("after-the-crash")
    shutil.copytree(world.folder, copy)
    vault.close()
    found = world.open(copy)
    assert [artifact.name for artifact in found.artifacts()] == ["kept"]
    assert (found.epoch, world.root.epoch()) == (3, 3)
