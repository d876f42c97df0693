"""The files of a token: read while they stand still, written and switched in so that a crash leaves old or new."""

import ctypes
import os
import shutil
import time
from pathlib import Path, PurePosixPath
from typing import Final

from hsm.errors import BackupInvalid, RestoreFailed, TokenUnavailable
from hsm.pkcs11.pin import sync_folder

from .archive import MAX_FILES, MAX_PAYLOAD_BYTES, Files

RECORD: Final = "token.json"
_TOKENS: Final = "tokens"
_SINGLE: Final = ("token-pin", "token-so-pin", RECORD)
_TRIES: Final = 50
_PAUSE_SECONDS: Final = 0.1
_RENAME_EXCHANGE: Final = 2
"""linux/fs.h"""
_AT_FDCWD: Final = -100


def read_standing(folder: Path) -> Files:
    """All files of the token at one moment, although others may write: read again until nothing changed meanwhile.

    Raises TokenUnavailable when they never stand still, or are not there.
    """
    for _ in range(_TRIES):
        before = _stamps(folder)
        files = _read(folder, before)
        if files is not None and _stamps(folder) == before:
            return files
        time.sleep(_PAUSE_SECONDS)
    raise TokenUnavailable("the token's files change all the time; try again when fewer keys are made")


def write_new(folder: Path, files: Files) -> None:
    """A new folder with these files, durable. Raises BackupInvalid for paths that are no token's, RestoreFailed."""
    targets = {folder / _checked(path): content for path, content in files.items()}
    try:
        folder.mkdir(mode=0o700)
        for path, content in targets.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for place in {folder, folder.parent, *(path.parent for path in targets)}:
            sync_folder(place)
    except OSError as error:
        raise RestoreFailed(f"the restored token cannot be written: {error.strerror}") from None


def switch_in(staged: Path, target: Path, *, kept: Path) -> None:
    """`staged` becomes `target` in one step of the file system; what was there, if anything, is at `kept`.

    Raises RestoreFailed; then nothing has changed.
    """
    try:
        if not target.exists():
            staged.rename(target)
        else:
            staged.rename(kept)
            try:
                _exchange(kept, target)
            except OSError:
                kept.rename(staged)
                raise
        sync_folder(target.parent)
    except OSError as error:
        raise RestoreFailed(
            f"the restored token cannot be switched in ({error.strerror}); move {target} away and try again"
        ) from None


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of last change of every file of the token."""
    try:
        paths = [folder / name for name in _SINGLE if (folder / name).exists()]
        paths += sorted(path for path in (folder / _TOKENS).rglob("*") if path.is_file())
        stats = {path.relative_to(folder).as_posix(): path.stat() for path in paths}
    except FileNotFoundError:
        return {}
    if len(stats) > MAX_FILES or sum(stat.st_size for stat in stats.values()) > MAX_PAYLOAD_BYTES:
        raise TokenUnavailable("the token's folder is too large for one backup")
    return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def _read(folder: Path, stamps: dict[str, tuple[int, int, int]]) -> Files | None:
    """None: a file went away meanwhile."""
    if RECORD not in stamps or not any(name.startswith(f"{_TOKENS}/") for name in stamps):
        if not (folder / RECORD).exists():
            raise TokenUnavailable(f"{folder} holds no token that was set up")
        return None
    try:
        return {name: (folder / name).read_bytes() for name in stamps}
    except FileNotFoundError:
        return None


def _checked(path: str) -> PurePosixPath:
    """Nothing outside the folder, nothing that is not a token's."""
    checked = PurePosixPath(path)
    parts = checked.parts
    inside = len(parts) >= 2 and parts[0] == _TOKENS
    if str(checked) != path or ".." in parts or checked.is_absolute() or not (inside or path in _SINGLE):
        raise BackupInvalid("the backup names files that are no token's")
    return checked


def _exchange(first: Path, second: Path) -> None:
    """Swaps two names at once (renameat2, Linux 3.15). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
