"""The publisher's side: what is written in which order, what a crash leaves, what is refused."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from hallmark_release import FolderSource, Repository, Role, RoleKey, verify_release
from hallmark_release.errors import RepositoryUnusable, SourceMissing
from hallmark_release.metadata_files import locked
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, SoftSigner, later, release_files

FILES = {"a/b": b"weights", "c": b"config"}


def verify(publisher: Publisher):
    return verify_release(FolderSource(publisher.served), MODEL, publisher.trust, now=later(hours=5))


class Crash(BaseException):
    """The power goes."""


@pytest.mark.parametrize("renames", range(8))
def test_a_crash_at_any_rename_leaves_the_old_release_or_the_new(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    first = publisher.publish(FILES, epoch=1)
    second = publisher.build({"a": b"new"}, epoch=2)
    publisher.repository.add_parts(publisher.folder / f"built-{MODEL}-2", second.index)
    left, replace = [renames], Path.replace

    def crashing(self: Path, target: Path) -> Path:
        if left[0] == 0:
            raise Crash
        left[0] -= 1
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crashing)
        with suppress(Crash):
            publisher.repository.publish(release_files(second), now=later(hours=1))
    finished = left[0] > 0 or renames == 7
    assert verify(publisher).index == (second.index if finished else first.index)
    publisher.repository.publish(release_files(second), now=later(hours=2))  # again, over what was left
    assert verify(publisher).index == second.index
    assert not list(publisher.served.rglob(".*.new"))


def test_a_crash_in_a_rotation_of_the_timestamp(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new root is there, the timestamp still under its former keys: the next change signs it again."""
    publisher.publish(FILES)
    replace = Path.replace

    def crashing(self: Path, target: Path) -> Path:
        if target.name == "timestamp.json":
            raise Crash
        return replace(self, target)

    keys = publisher.signer.new_keys("next")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crashing)
        with pytest.raises(Crash):
            publisher.repository.rotate(Role.TIMESTAMP, keys, now=later(hours=1))
    assert publisher.repository.refresh(now=later(hours=2)) == (Role.TIMESTAMP,)
    verify(publisher)


def test_an_older_epoch_is_not_listed_over_a_newer_one(publisher: Publisher) -> None:
    old = publisher.publish(FILES, epoch=1)
    new = publisher.publish(FILES, epoch=2, now=later(hours=1))
    with pytest.raises(RepositoryUnusable, match="epoch 2"):
        publisher.repository.publish(release_files(old), now=later(hours=2))
    publisher.repository.publish(release_files(new), now=later(hours=2))
    assert verify(publisher).index == new.index


def test_parts_come_before_the_release(publisher: Publisher) -> None:
    built = publisher.build(FILES)
    with pytest.raises(RepositoryUnusable, match="not in place"):
        publisher.repository.publish(release_files(built), now=NOW)
    part = publisher.folder / f"built-{MODEL}-1" / built.index.parts[0].location
    os.truncate(part, 5)
    with pytest.raises(RepositoryUnusable, match="not the part that was built"):
        publisher.repository.add_parts(publisher.folder / f"built-{MODEL}-1", built.index)


def test_what_somebody_wrote_into_the_folder_is_not_signed(publisher: Publisher) -> None:
    publisher.publish(FILES)
    timestamp = publisher.served / "metadata/timestamp.json"
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version":2', b'"version":1'))
    with pytest.raises(RepositoryUnusable, match="was changed"):
        publisher.repository.refresh(now=NOW)
    timestamp.unlink()
    with pytest.raises(RepositoryUnusable):
        publisher.repository.refresh(now=NOW)
    with pytest.raises(SourceMissing):
        verify(publisher)


def test_a_signer_that_signs_with_another_key_writes_nothing(publisher: Publisher) -> None:
    publisher.publish(FILES)
    before = sorted(path.name for path in publisher.served.rglob("*"))
    wrong = publisher.signer.new_keys("wrong")
    publisher.signer.private["soft:timestamp-ml-dsa"] = publisher.signer.private[wrong.ml_dsa.uri]
    with pytest.raises(RepositoryUnusable, match="did not make"):
        publisher.repository.refresh(now=NOW)
    assert sorted(path.name for path in publisher.served.rglob("*")) == before


def test_one_publisher_at_a_time(publisher: Publisher) -> None:
    with locked(publisher.served), pytest.raises(RepositoryUnusable, match="another publisher"):
        publisher.repository.refresh(now=NOW)


def test_keys_of_a_repository(tmp_path: Path) -> None:
    signer = SoftSigner()
    one = signer.new_keys("one")
    with pytest.raises(RepositoryUnusable, match="of its own"):
        Repository.create(tmp_path / "r", signer, keys=dict.fromkeys(Role, one), now=NOW)
    with pytest.raises(RepositoryUnusable, match="keys are needed"):
        Repository.create(tmp_path / "r", signer, keys={Role.ROOT: one}, now=NOW)
    with pytest.raises(RepositoryUnusable, match="P-256"):
        type(one)(one.ml_dsa, one.ecdsa)
    assert RoleKey.from_tuf(one.ecdsa.to_tuf()) == one.ecdsa
    nowhere = Repository(tmp_path / "nowhere", signer)
    for act in (nowhere.root, lambda: nowhere.refresh(now=NOW)):
        with pytest.raises(RepositoryUnusable):
            act()
    assert not (tmp_path / "nowhere").exists()


def test_a_repository_is_made_once(publisher: Publisher) -> None:
    with pytest.raises(RepositoryUnusable, match="already"):
        Repository.create(publisher.served, publisher.signer, keys=publisher.keys, now=NOW)
    assert [each.role for each in publisher.repository.status()] == list(Role)
