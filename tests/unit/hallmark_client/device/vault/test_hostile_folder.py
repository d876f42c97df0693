"""A folder that somebody else had his hands in: links, pipes, folders in the place of files, modes that let others in."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hallmark_client.device.errors import ContentInvalid, DeviceError, StoreFailed
from hallmark_client.device.model import Caller
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World

OTHER = ArtifactKind.OTHER


@pytest.fixture
def blobs(world: World) -> Path:
    """Of a vault that holds one artifact and is closed."""
    world.open().put([b"x" * 100_000], name="m", kind=OTHER)
    world.close()
    return world.folder / "blobs"


def stored(blobs: Path) -> Path:
    return next(path for path in blobs.rglob("*") if path.is_file())


def test_a_link_in_the_vault_deletes_nothing_outside(blobs: Path, world: World, tmp_path: Path, app: Caller) -> None:
    outside = tmp_path / "documents"
    outside.mkdir()
    (outside / "do-not-delete").write_bytes(b"mine")
    (blobs / "do").symlink_to(outside)
    (blobs / "incoming-1").symlink_to(outside / "do-not-delete")
    assert world.open().read("m", caller=app) == b"x" * 100_000
    assert (outside / "do-not-delete").read_bytes() == b"mine"
    assert not (blobs / "do").is_symlink()


def test_a_vault_whose_files_lie_behind_a_link_is_not_opened(blobs: Path, world: World, tmp_path: Path) -> None:
    shutil.move(blobs, tmp_path / "elsewhere")
    blobs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFailed, match="not this user's own"):
        world.open()


def test_folders_in_the_place_of_files_hold_up_nothing(blobs: Path, world: World, app: Caller) -> None:
    (blobs / "incoming-1").mkdir()
    (blobs / "ab" / ("ab" * 32)).mkdir(parents=True)
    (blobs / "ab" / stored(blobs).name).write_bytes(b"in the wrong place")
    assert world.open().read("m", caller=app) == b"x" * 100_000
    assert sum(path.is_file() for path in blobs.rglob("*")) == 1


@pytest.mark.parametrize("lie", ["pipe", "folder", "link", "device"])
def test_what_is_no_file_is_not_read(lie: str, blobs: Path, world: World, app: Caller) -> None:
    vault = world.open()
    path = stored(blobs)
    shutil.copy(path, blobs.parent / "copy")
    path.unlink()
    match lie:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(blobs.parent / "copy")
        case _:
            path.symlink_to("/dev/zero")
    with pytest.raises((ContentInvalid, StoreFailed)):
        vault.read("m", caller=app)
    assert vault.check().damages


@pytest.mark.parametrize("name", ["index.sqlite", "lock"])
@pytest.mark.parametrize("lie", ["pipe", "link", "folder"])
def test_the_vaults_own_files_are_plain_files(name: str, lie: str, world: World, tmp_path: Path) -> None:
    world.folder.mkdir()
    target = tmp_path / "of-somebody-else"
    match lie:
        case "pipe":
            os.mkfifo(world.folder / name)
        case "link":
            (world.folder / name).symlink_to(target)
        case _:
            (world.folder / name).mkdir()
    with pytest.raises(StoreFailed):
        world.open()
    assert not target.exists()


def test_files_that_others_could_read_are_closed_to_them(blobs: Path, world: World) -> None:
    for path in (world.folder, world.folder / "index.sqlite", world.folder / "lock"):
        path.chmod(0o777)
    world.open().keep_secret("s", b"x")
    for path in (world.folder, *world.folder.glob("index.sqlite*"), world.folder / "lock"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


WITHOUT_UMASK = """
import os, sys
from pathlib import Path
os.umask(0)
seen = []
made = Path.mkdir
def watched(self, *given, **named):
    made(self, *given, **named)
    seen.append((self.name, oct(self.stat().st_mode & 0o777)))
Path.mkdir = watched
from hallmark_client.device.life.store import LifeStore
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
folder = Path(sys.argv[1])
with Vault.open(folder, MemoryRoot()) as vault:
    LifeStore(folder).keep_fact("a", 1)
    vault.put([b"x"], name="m", kind=ArtifactKind.OTHER)
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
assert {mode for name, mode in seen if name in ("vault", "blobs")} == {"0o700"}, seen
"""


def test_no_moment_without_a_umask_lets_others_in(tmp_path: Path) -> None:
    """In a process of its own: the umask is the whole process's."""
    command = [sys.executable, "-c", WITHOUT_UMASK, str(tmp_path / "vault")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [".", "blobs", "index.sqlite", "lock"])
def test_what_is_another_users_is_not_used(name: str, blobs: Path, world: World) -> None:
    assert blobs.is_dir()
    os.chown(world.folder / name, 65_534, 65_534)
    with pytest.raises(StoreFailed, match="not this user's own"):
        world.open()


def test_a_write_ahead_log_from_another_time_gives_nothing_wrong(world: World, app: Caller) -> None:
    """SQLite plays back a log that is whole in itself, whatever file it was of."""
    vault = world.open()
    vault.put([b"first"], name="m", kind=OTHER)
    log = (world.folder / "index.sqlite-wal").read_bytes()
    vault.delete("m")
    vault.put([b"second"], name="m", kind=OTHER)
    world.close()
    (world.folder / "index.sqlite-wal").write_bytes(log)
    try:
        found: Vault | None = world.open()
    except DeviceError:
        found = None
    if found is not None:
        assert found.read("m", caller=app) == b"second"
