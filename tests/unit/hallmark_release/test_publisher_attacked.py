"""Who can write into the repository's folder, a disk that is full, power that goes: nothing false is signed, and clients
never meet a state that they refuse.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hallmark_release import FolderSource, Repository, Role, RoleKey, RoleKeys, verify_release
from hallmark_release.errors import MetadataUnsigned, RepositoryUnusable
from hallmark_release.repository_state import _BYTES_MAX, RepositoryState
from hallmark_release.roles import LIFETIMES
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, SoftSigner, later, release_files

FILES = {"a/b": b"weights", "c": b"config"}


class Crash(BaseException):
    """The power goes."""


def verify(publisher: Publisher, state: Path | None = None):
    return verify_release(FolderSource(publisher.served), MODEL, publisher.trust, now=later(hours=5), state=state)


class Counting:
    """A signer that counts."""

    def __init__(self, signer: SoftSigner) -> None:
        self.signer, self.signed = signer, 0

    def sign(self, key: RoleKey, message: bytes) -> bytes:
        self.signed += 1
        return self.signer.sign(key, message)


def forged_root(folder: Path, signer: SoftSigner, version: int, keys: dict[Role, RoleKeys]) -> None:
    """Written by who made it, and signed by nobody else."""
    state = RepositoryState.empty(keys, LIFETIMES, NOW)
    state.signed(Role.ROOT).version = version - 1
    state.write(folder, signer, changed={Role.ROOT}, now=NOW)


def test_roots_that_do_not_follow_from_the_pinned_one(publisher: Publisher) -> None:
    """Root 2 makes the stranger's metadata good, root 3 has the publisher's keys again: as after a rotation that a crash
    cut short, the stranger's list of releases would be signed with the publisher's keys.
    """
    publisher.publish(FILES)
    stranger = SoftSigner()
    theirs = {role: stranger.new_keys(role) for role in Role}
    forged_root(publisher.served, stranger, 2, theirs)
    forged_root(publisher.served, stranger, 3, publisher.keys | {Role.ROOT: theirs[Role.ROOT]})
    state = RepositoryState.empty(theirs, LIFETIMES, NOW)
    for role in (Role.TARGETS, Role.SNAPSHOT, Role.TIMESTAMP):
        state.signed(role).version = 50
    state.write(publisher.served, stranger, changed={Role.TARGETS}, now=NOW)
    counting = Counting(publisher.signer)
    with pytest.raises(RepositoryUnusable, match="was changed"):
        Repository(publisher.served, counting, pinned=publisher.trust.root).refresh(now=later(hours=1))
    assert counting.signed == 0


def test_roots_are_followed_from_any_pinned_one(publisher: Publisher) -> None:
    pins = [publisher.trust.root]
    for number in range(3):
        publisher.repository.rotate(Role.ROOT, publisher.signer.new_keys(f"next-{number}"), now=later(hours=number))
        pins.append(publisher.repository.root())
    for pinned in pins:
        repository = Repository(publisher.served, publisher.signer, pinned=pinned)
        assert repository.root() == pins[-1]
        repository.refresh(now=later(hours=4))
    (publisher.served / "metadata/4.root.json").unlink()
    with pytest.raises(RepositoryUnusable, match="older than the trusted 4"):
        Repository(publisher.served, publisher.signer, pinned=pins[-1]).refresh(now=later(hours=4))


def test_an_old_state_is_not_signed_anew(publisher: Publisher, tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    publisher.repository = Repository(publisher.served, publisher.signer, pinned=publisher.trust.root, seen=seen)
    publisher.publish(FILES, epoch=1)
    timestamp = publisher.served / "metadata/timestamp.json"
    old = timestamp.read_bytes()
    second = publisher.publish(FILES, epoch=2, now=later(hours=1))
    new = timestamp.read_bytes()
    timestamp.write_bytes(old)
    for act in (lambda: publisher.repository.refresh(now=later(hours=2)), publisher.repository.models):
        with pytest.raises(RepositoryUnusable, match="went back: targets 2 after 3"):
            act()
    assert timestamp.read_bytes() == old
    timestamp.write_bytes(new)
    publisher.repository.refresh(now=later(hours=2))
    assert verify(publisher).index == second.index
    for damaged in (b"", b"{}", b'{"root":1}', b"[]", b"x" * 5000):
        seen.write_bytes(damaged)
        with pytest.raises(RepositoryUnusable):
            publisher.repository.refresh(now=later(hours=2))


def crashing_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int, error: BaseException) -> Iterator[None]:
    """The call of this number ends with the error, and so does every one after it."""
    left, real = [number], getattr(os, name)

    def call(*arguments: object, **options: object) -> object:
        if left[0] == 0:
            raise error
        left[0] -= 1
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, name, call)
        yield


@pytest.mark.parametrize("role", list(Role))
def test_a_rotation_that_stops_anywhere_shuts_no_client_out(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, role: Role
) -> None:
    publisher.publish(FILES)
    state = tmp_path / "state"
    for number in range(6):
        keys = publisher.signer.new_keys(f"{role}-{number}")
        for _ in crashing_at(monkeypatch, "replace", number, Crash()):
            with suppress(Crash):
                publisher.repository.rotate(role, keys, now=later(hours=1))
        verify(publisher)
        verify(publisher, state)
        publisher.repository.refresh(now=later(hours=2))
        verify(publisher)
        verify(publisher, state)
        assert len((publisher.served / "metadata/timestamp.json").read_bytes()) < 16_384, "what other clients read"


def test_a_role_whose_former_keys_are_lost(publisher: Publisher) -> None:
    publisher.publish(FILES)
    del publisher.signer.private["soft:targets-ml-dsa"]
    keys = publisher.signer.new_keys("targets-2")
    with pytest.raises(KeyError):
        publisher.repository.rotate(Role.TARGETS, keys, now=later(hours=1))
    verify(publisher)
    publisher.repository.rotate(Role.TARGETS, keys, now=later(hours=1), former_sign=False)
    verify(publisher)


@pytest.mark.parametrize("number", range(8))
def test_a_disk_that_is_full(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    first = publisher.publish(FILES, epoch=1)
    second = publisher.build({"a": b"new"}, epoch=2)
    built, full = publisher.folder / f"built-{MODEL}-2", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def publish() -> None:
        publisher.repository.add_parts(built, second.index)
        publisher.repository.publish(release_files(second), now=later(hours=1))

    for _ in crashing_at(monkeypatch, "fsync", number, full):
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "other disk")))
        with pytest.raises(OSError, match="No space left"):
            publish()
    assert verify(publisher).index == first.index
    assert not list(publisher.served.rglob(".*.new"))
    publish()
    assert verify(publisher).index == second.index


def test_a_repository_whose_making_stopped_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = SoftSigner()
    keys = {role: signer.new_keys(role) for role in Role}
    for number in range(4):
        for _ in crashing_at(monkeypatch, "replace", number, Crash()):
            with pytest.raises(Crash):
                Repository.create(tmp_path / "r", signer, keys=keys, now=NOW)
    made = Repository.create(tmp_path / "r", signer, keys=keys, now=NOW)
    assert [each.version for each in made.status()] == [1, 1, 1, 1]


def test_metadata_that_no_client_would_read_is_not_written(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publisher.publish(FILES)
    listed = len((publisher.served / "metadata/2.targets.json").read_bytes())
    monkeypatch.setitem(_BYTES_MAX, Role.TARGETS, listed + 100)
    with pytest.raises(RepositoryUnusable, match="larger than clients read"):
        publisher.publish(FILES, epoch=1, model="other")
    assert verify(publisher).index == first.index


def test_the_former_root_is_no_way_back(publisher: Publisher) -> None:
    """A stolen former key of a role signs nothing that clients believe after the rotation."""
    publisher.publish(FILES)
    former = publisher.keys[Role.TIMESTAMP]
    publisher.repository.rotate(Role.TIMESTAMP, publisher.signer.new_keys("next"), now=later(hours=1))
    state = RepositoryState.load(publisher.served)
    state.replace_keys(Role.TIMESTAMP, former)
    state.root_bytes = b""
    state.write(publisher.served, publisher.signer, changed={Role.TIMESTAMP}, now=later(hours=2))
    with pytest.raises(MetadataUnsigned):
        verify(publisher)
