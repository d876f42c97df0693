"""The keyring root fails closed, and survives a keyring that goes away in the middle."""

from pathlib import Path

import keyring
import pytest
from keyring.backends import chainer, fail, null

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.roots.keyring import SERVICE, open_keyring_root
from support.keyrings import MemoryKeyring


class Advised(MemoryKeyring):
    """One whose authors advise against it, as those of files do."""

    priority = 0.5


class Unfit(MemoryKeyring):
    @property
    def priority(self) -> float:  # type: ignore[override]
        raise RuntimeError("not on this system")


def opened(backend: MemoryKeyring, folder: Path):
    return open_keyring_root("test", backend=backend, lock_folder=folder)


@pytest.mark.parametrize(
    "backend", [fail.Keyring, null.Keyring, Advised, Unfit], ids=lambda kind: kind.__module__ + kind.__name__
)
def test_what_keeps_no_secrets_is_refused(backend, tmp_path: Path) -> None:
    with pytest.raises(RootUnavailable, match="another root"):
        opened(backend(), tmp_path)


def test_plaintext_files_are_refused_by_their_module(tmp_path: Path) -> None:
    plain = type("PlaintextKeyring", (MemoryKeyring,), {"__module__": "keyrings.alt.file"})
    with pytest.raises(RootUnavailable):
        opened(plain(), tmp_path)


@pytest.mark.parametrize("found", [fail.Keyring, null.Keyring, MemoryKeyring], ids=lambda kind: kind.__module__)
def test_only_a_keyring_of_the_operating_system_is_found_by_itself(found, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", found)
    with pytest.raises(RootUnavailable, match="no keyring of the operating system"):
        open_keyring_root(lock_folder=tmp_path)


def test_in_a_chain_the_operating_systems_own_is_taken(tmp_path: Path, monkeypatch) -> None:
    own = type("Keyring", (MemoryKeyring,), {"__module__": "keyring.backends.SecretService"})()
    chain = type("Chain", (chainer.ChainerBackend,), {"backends": [MemoryKeyring(), own], "priority": 10})
    monkeypatch.setattr(keyring, "get_keyring", chain)
    open_keyring_root(lock_folder=tmp_path)
    assert len(own.entries) == 2


def test_a_locked_keyring_and_one_that_forgets(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    root = opened(backend, tmp_path)
    backend.locked = True
    with pytest.raises(RootUnavailable, match="unlock"):
        root.epoch()
    backend.locked = False
    assert root.epoch() == 1
    forgetful = MemoryKeyring()
    forgetful.forgets = True
    with pytest.raises(RootUnavailable, match="does not keep"):
        opened(forgetful, tmp_path)


def test_advancing_deletes_the_old_entry(tmp_path: Path) -> None:
    backend = MemoryKeyring()
    root = opened(backend, tmp_path)
    root.advance(2)
    assert sorted(name for _, name in backend.entries) == ["test/epoch-2", "test/head"]


@pytest.mark.parametrize("writes", range(4))
def test_a_keyring_that_goes_away_at_any_step_of_advance(writes: int, tmp_path: Path) -> None:
    backend = MemoryKeyring()
    root = opened(backend, tmp_path)
    present = root.seal(b"kek", epoch=1, label=b"l")
    backend.writes_left = writes
    if writes < 3:
        with pytest.raises(RootUnavailable):
            root.advance(2)
    else:
        root.advance(2)
    backend.writes_left = None
    root = opened(backend, tmp_path)
    if root.epoch() == 1:
        assert root.open(present, epoch=1, label=b"l") == b"kek"
        root.advance(2)
    with pytest.raises(RootLost):
        root.open(present, epoch=2, label=b"l")
    assert sorted(name for _, name in backend.entries) == ["test/epoch-2", "test/head"]


@pytest.mark.parametrize("entry", ["head", "epoch-1"])
@pytest.mark.parametrize("text", [None, "", "{}", '{"epoch":0,"root":""}', "AAAA", "\ud800", "7" * 500])
def test_entries_that_are_gone_or_changed_are_a_lost_root(entry: str, text: str | None, tmp_path: Path) -> None:
    backend = MemoryKeyring()
    root = opened(backend, tmp_path)
    blob = root.seal(b"kek", epoch=1, label=b"l")
    if text is None:
        del backend.entries[SERVICE, f"test/{entry}"]
    else:
        backend.entries[SERVICE, f"test/{entry}"] = text
    with pytest.raises(RootLost):
        root.open(blob, epoch=1, label=b"l")


def test_names_are_checked(tmp_path: Path) -> None:
    for name in ("", "a/b", "Ä", "a" * 65, ".a"):
        with pytest.raises(ValueError):
            open_keyring_root(name, backend=MemoryKeyring(), lock_folder=tmp_path)
