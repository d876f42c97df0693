"""Attacks on the repository's metadata: corrupted, stripped, replayed, frozen, rolled back, fast-forwarded, re-rooted."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile

from chaos.chaos_world import SOON, Chaos, change_metadata, later
from hallmark_release import Role
from hallmark_release.errors import (
    MetadataExpired,
    MetadataInvalid,
    MetadataRolledBack,
    MetadataUnsigned,
    SourceMissing,
)
from hallmark_release.repository_state import RepositoryState
from unit.hallmark_client.device.updates.update_world import CountingSource


def newest(folder: Path, role: str) -> Path:
    if role == "timestamp":
        return folder / "metadata/timestamp.json"
    return max((folder / "metadata").glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))


def edited(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("role", "error"),
    [("timestamp", MetadataUnsigned), ("snapshot", MetadataInvalid), ("targets", MetadataInvalid)],
)
def test_corrupted_metadata(chaos: Chaos, role: str, error: type) -> None:
    edited(newest(chaos.copied(), role), lambda document: document["signed"].update(version=99))
    chaos.refused(error)
    chaos.recovers()


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_that_is_none(chaos: Chaos, role: str) -> None:
    newest(chaos.copied(), role).write_bytes(b"\xff{}")
    chaos.refused(MetadataInvalid)
    chaos.recovers()


@pytest.mark.parametrize("kind", ["ecdsa", "ml-dsa"])
def test_a_stripped_signature_of_the_timestamp(chaos: Chaos, kind: str) -> None:
    strip(newest(chaos.copied(), "timestamp"), kind)
    chaos.refused(MetadataUnsigned)
    chaos.recovers()


@pytest.mark.parametrize("kind", ["ecdsa", "ml-dsa"])
def test_a_stripped_signature_of_a_new_root(chaos: Chaos, kind: str) -> None:
    chaos.publisher.repository.rotate(Role.TIMESTAMP, chaos.publisher.signer.new_keys("timestamp-2"), now=SOON)
    strip(newest(chaos.copied(), "root"), kind)
    chaos.refused(MetadataUnsigned)
    chaos.recovers()


@pytest.mark.parametrize("kind", ["ecdsa", "ml-dsa"])
def test_a_role_of_which_only_one_key_was_stolen(chaos: Chaos, kind: str) -> None:
    """Whoever has one of the two keys of every online role signs whatever is wanted, with that one."""
    folder = chaos.copied()
    state = RepositoryState.load(folder)
    state.write(folder, chaos.publisher.signer, changed={Role.TARGETS, Role.SNAPSHOT, Role.TIMESTAMP}, now=SOON)
    strip(newest(folder, "timestamp"), kind)
    chaos.refused(MetadataUnsigned)
    chaos.recovers()


def strip(path: Path, kind: str) -> None:
    """Those of ML-DSA are the long ones."""

    def without(document: dict) -> None:
        kept = [each for each in document["signatures"] if (len(each["sig"]) > 1000) != (kind == "ml-dsa")]
        assert 0 < len(kept) < len(document["signatures"])
        document["signatures"] = kept

    edited(path, without)


def test_replayed_old_metadata(chaos: Chaos) -> None:
    chaos.device.updater().check("example-7b")  # the new one was seen, and not installed
    chaos.refused(MetadataRolledBack, CountingSource(chaos.first_repository))
    chaos.recovers()


def test_an_older_snapshot_under_a_new_timestamp(chaos: Chaos) -> None:
    """Somebody has the timestamp's keys alone."""
    chaos.device.updater().check("example-7b")
    folder = chaos.copied()
    old = newest(chaos.first_repository, "snapshot").read_bytes()
    version = int(newest(chaos.first_repository, "snapshot").name.split(".")[0])

    def older(timestamp) -> None:
        timestamp.snapshot_meta = MetaFile.from_data(version, old, ["sha256"])

    change_metadata(folder, chaos.publisher, Role.TIMESTAMP, older)
    chaos.refused(MetadataRolledBack)
    chaos.publisher.repository.refresh(now=SOON)
    chaos.publisher.repository.refresh(now=SOON)  # its timestamps are newer again than those that were forged
    chaos.recovers()


def test_a_frozen_repository(chaos: Chaos) -> None:
    """The timestamp is not renewed any more, for everybody or for this device."""
    chaos.copied()
    chaos.device.time = later(days=8)
    chaos.refused(MetadataExpired)
    chaos.publisher.repository.refresh(now=later(days=8))
    chaos.recovers()


def test_frozen_and_the_clock_set_back(chaos: Chaos) -> None:
    """Metadata that was long expired when the first release was logged: so late it is at least, whatever the clock says.
    This device forgot what it had seen of the repository.
    """
    folder = chaos.copied()
    state = RepositoryState.load(folder)
    state.write(folder, chaos.publisher.signer, changed=set(Role) - {Role.ROOT}, now=later(days=-30))
    shutil.rmtree(chaos.device.folder / "updates")
    chaos.device.time = later(days=-29)
    chaos.refused(MetadataExpired)
    chaos.device.time = SOON
    chaos.recovers()


def test_a_clock_set_forward_is_no_lasting_harm(chaos: Chaos) -> None:
    chaos.device.time = later(days=5000)
    chaos.refused(MetadataExpired)
    chaos.device.time = SOON
    chaos.recovers()


def test_fast_forward_is_recovered_from_by_new_keys(chaos: Chaos) -> None:
    """Versions near the end of the number line, signed with stolen online keys, shut the honest ones out until the
    publisher rotates the keys of timestamp and snapshot (TUF section 5.3.11).
    """
    folder = chaos.copied()

    def far(signed) -> None:
        signed.version = 2**40

    change_metadata(folder, chaos.publisher, Role.SNAPSHOT, far)
    change_metadata(folder, chaos.publisher, Role.TIMESTAMP, far)
    chaos.device.updater().check("example-7b")
    chaos.refused(MetadataRolledBack, CountingSource(chaos.publisher.served))
    for role in (Role.TIMESTAMP, Role.SNAPSHOT):
        chaos.publisher.repository.rotate(role, chaos.publisher.signer.new_keys(f"{role}-2"), now=later(hours=2))
    chaos.recovers()


@pytest.mark.parametrize("role", list(Role))
def test_new_keys_are_honoured(chaos: Chaos, role: Role) -> None:
    chaos.publisher.repository.rotate(role, chaos.publisher.signer.new_keys(f"{role}-2"), now=SOON)
    chaos.recovers()


def test_keys_that_were_replaced_sign_nothing_any_more(chaos: Chaos) -> None:
    folder = chaos.copied()
    chaos.publisher.repository.rotate(Role.TIMESTAMP, chaos.publisher.signer.new_keys("timestamp-2"), now=SOON)
    shutil.copy(newest(chaos.publisher.served, "root"), folder / "metadata")
    chaos.refused(MetadataUnsigned)
    chaos.recovers()


def rotated_twice(chaos: Chaos, *roles: Role) -> Path:
    """From root 1 on; every one of them is signed by the one before."""
    for number in (2, 3):
        for role in roles:
            keys = chaos.publisher.signer.new_keys(f"{role}-{number}")
            chaos.publisher.repository.rotate(role, keys, now=later(hours=number))
    return chaos.copied()


def test_a_root_version_that_is_left_out(chaos: Chaos) -> None:
    folder = rotated_twice(chaos, Role.ROOT, Role.TIMESTAMP)
    (folder / "metadata/2.root.json").unlink()
    chaos.refused(MetadataUnsigned)
    chaos.recovers()


def test_a_root_version_under_an_earlier_number(chaos: Chaos) -> None:
    folder = rotated_twice(chaos, Role.TIMESTAMP)
    shutil.copy(folder / "metadata/3.root.json", folder / "metadata/2.root.json")
    chaos.refused(MetadataRolledBack)
    chaos.recovers()


def test_metadata_that_is_not_there(chaos: Chaos) -> None:
    newest(chaos.copied(), "timestamp").unlink()
    chaos.refused(SourceMissing)
    chaos.recovers()


def test_a_repository_of_somebody_else(chaos: Chaos, tmp_path: Path) -> None:
    from unit.hallmark_release.release_world import Publisher

    impostor = Publisher(tmp_path)
    impostor.publish({"evil": b"weights"}, epoch=9, now=SOON + timedelta(hours=1))
    chaos.refused(MetadataUnsigned, CountingSource(impostor.served))
    chaos.recovers()
