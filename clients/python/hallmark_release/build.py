"""From a folder of plaintext files to what is signed and served: encrypted parts, statement, index.

    OUT/statement.json   the statement: what is signed (DSSE payload)
    OUT/index.json       the distribution index
    OUT/parts/...        the encrypted files

The content key is the caller's: it is not written anywhere here.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hallmark_release.errors import FolderUnusable
from hallmark_release.folder import Progress
from hallmark_release.index import INDEX_BYTES_MAX, ReleaseIndex, parse_index, part_context
from hallmark_release.metadata_files import write_all
from hallmark_release.parts import encrypt_file
from hallmark_release.scan import GIT_PATHS, scan_folder
from hallmark_release.statement import STATEMENT_BYTES_MAX, ReleaseId, Statement, parse_statement

STATEMENT_FILE: Final = "statement.json"
INDEX_FILE: Final = "index.json"
RELEASE_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class BuiltRelease:
    """They belong together: the index was checked against the statement."""

    statement: Statement
    index: ReleaseIndex


def new_release_id(random_bytes: Callable[[int], bytes]) -> str:
    """32 hex digits."""
    return random_bytes(RELEASE_ID_BYTES).hex()


def build_release(
    folder: Path,
    out: Path,
    *,
    release: ReleaseId,
    release_id: str,
    kind: str,
    key: bytes | bytearray,
    ignore_paths: Sequence[str] = (),
    progress: Progress | None = None,
) -> BuiltRelease:
    """Encrypt every file of `folder` into `out` and describe them; `out` must not be inside `folder`.

    key: 32 random bytes, for this release only. release_id: of `new_release_id`, bound into each part with the epoch.
    ignore_paths: left out, beside git's own. Reads each file once. Raises FolderUnusable, FormatInvalid, OSError.
    """
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(folder)):
        raise FolderUnusable(f"{out} is inside {folder}: it would become part of itself", advice="Choose another place")
    ignored = tuple(sorted({*GIT_PATHS, *(path.strip("/") for path in ignore_paths)}))
    encrypted = [
        encrypt_file(
            file,
            key=key,
            context=part_context(release, release_id=release_id, path=file.path),
            folder=out,
            progress=progress,
        )
        for file in scan_folder(folder, ignored)
    ]
    statement = Statement(release, tuple(each.signed for each in encrypted), ignored)
    index = ReleaseIndex(release, release_id, kind, statement.sha256, tuple(each.part for each in encrypted))
    write_all(out, {STATEMENT_FILE: statement.payload, INDEX_FILE: index.data})
    return BuiltRelease(statement, index)


def load_built(out: Path) -> BuiltRelease:
    """What `build_release` wrote. Raises FolderUnusable, FormatInvalid, ReleaseMismatch."""
    built = BuiltRelease(
        parse_statement(_read(out / STATEMENT_FILE, STATEMENT_BYTES_MAX)),
        parse_index(_read(out / INDEX_FILE, INDEX_BYTES_MAX)),
    )
    built.index.check_statement(built.statement)
    return built


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise FolderUnusable(
            f"{path} can not be read: {error.strerror}", advice="`hallmark release build` writes it"
        ) from error
