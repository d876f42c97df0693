"""A folder of plaintext files and a statement: hash the folder, or say what is not as it was signed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hallmark_release.errors import FilesMismatch, FolderUnusable
from hallmark_release.scan import FoundFile, open_file, scan_folder
from hallmark_release.statement import SHARD_SIZE, SignedFile, Statement, shard_count

WORKERS: Final = 2
"""Hashing releases the interpreter's lock."""

Progress = Callable[[int], None]
"""Told how many bytes were done since it was told last."""


@dataclass(frozen=True, slots=True)
class VerifiedFolder:
    """Every file of the statement is there as it was signed, and nothing else that is not ignored."""

    statement: Statement
    files: int
    size: int


def hash_folder(files: tuple[FoundFile, ...], progress: Progress | None = None) -> tuple[SignedFile, ...]:
    """Each file's shards; constant memory. Raises FolderUnusable, also for a file that changes its size meanwhile."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return tuple(SignedFile(file.path, file.size, _shards(pool, file, progress)) for file in files)


def verify_folder(
    folder: Path, statement: Statement, progress: Progress | None = None, *, ignore_paths: Sequence[str] = ()
) -> VerifiedFolder:
    """ignore_paths: beside those of the statement, such as the bundle itself where it lies in the folder.

    Raises FilesMismatch with what is changed, missing or not signed; FolderUnusable for links, empty files and names
    that no release has, whether or not they were signed.
    """
    found = {file.path: file for file in scan_folder(folder, (*statement.ignore_paths, *ignore_paths))}
    signed = {file.path: file for file in statement.files}
    same = [path for path in signed if path in found and found[path].size == signed[path].size]
    hashed = hash_folder(tuple(found[path] for path in same), progress)
    changed = {path for path in signed if path in found} - {file.path for file in hashed if file == signed[file.path]}
    missing, extra = signed.keys() - found.keys(), found.keys() - signed.keys()
    if changed or missing or extra:
        raise FilesMismatch(changed=tuple(sorted(changed)), missing=tuple(sorted(missing)), extra=tuple(sorted(extra)))
    return VerifiedFolder(statement, files=len(signed), size=sum(file.size for file in statement.files))


def _shards(pool: ThreadPoolExecutor, file: FoundFile, progress: Progress | None) -> tuple[bytes, ...]:
    """At most WORKERS shards are in memory at a time."""
    digests: list[bytes] = []
    waiting: list[Future[bytes]] = []
    for shard in _read(file):
        waiting.append(pool.submit(_sha256, shard))
        if len(waiting) == WORKERS:
            digests.append(waiting.pop(0).result())
        if progress:
            progress(len(shard))
    digests += [each.result() for each in waiting]
    return tuple(digests)


def _read(file: FoundFile) -> Iterator[bytes]:
    left = file.size
    with open_file(file) as opened:
        for _ in range(shard_count(file.size)):
            shard = opened.read(min(SHARD_SIZE, left))
            left -= len(shard)
            if len(shard) != SHARD_SIZE and left:
                raise FolderUnusable(f"{file.path!r} changes while it is read")
            yield shard
        if opened.read(1):
            raise FolderUnusable(f"{file.path!r} changes while it is read")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
