"""The published files of a log against its rows: part of `fsck`. Reads a folder, writes nothing."""

import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_tlog.bundles import format_bundle
from hallmark_tlog.canonical import HASH_SIZE
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import MAX_NOTE_BYTES
from hallmark_tlog.tiles import CHECKPOINT_PATH, TILE_WIDTH, Tile, tile_at, tiles_of
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import VerifierKey
from kms.log.fsck.rows import LogRows
from kms.log.keys.keys import format_verifier_keys

_VERIFIER_KEYS: Final = "verifier-keys"
_WIDTH: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)

Report = Callable[[str, str], None]
"""`report(place, problem)`."""


class PublishedFiles:
    """The public folder of a service, which may hold several logs.

    Make it before the transaction: its checkpoints are read now, so that a server that publishes meanwhile is not
    found to be ahead of the transaction's snapshot.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Logs that succeeded others lie below a prefix of two names (kms.log.keys.succession).
        found = [folder / CHECKPOINT_PATH, *folder.glob(f"*/*/{CHECKPOINT_PATH}")]
        self._notes = {path.parent: _read_bounded(path, MAX_NOTE_BYTES) for path in found if path.is_file()}

    def of_log(self, tx: Connection, rows: LogRows, keys: Sequence[VerifierKey], report: Report) -> "LogFiles":
        folder = self._folder / rows.folder
        return LogFiles(folder, self._notes.get(folder), tx, rows, keys, report)


class LogFiles:
    """Of one log. `size` is that of the published checkpoint, None when there is none that counts."""

    def __init__(
        self,
        folder: Path,
        note: bytes | None,
        tx: Connection,
        rows: LogRows,
        keys: Sequence[VerifierKey],
        report: Report,
    ) -> None:
        self._folder = folder
        self._tx = tx
        self._rows = rows
        self._keys = keys
        self._report_problem = report
        self.compared = 0
        self.size = self._check_checkpoint(note)

    def check_bundle(self, index: int, entries: Sequence[bytes]) -> None:
        """The bundle and the level-0 tile of these entries, whole and partial, as far as they are published."""
        count = min(TILE_WIDTH, (self.size or 0) - index * TILE_WIDTH)
        if count <= 0 or len(entries) < count:
            return
        self._check_tile(None, index, lambda width: format_bundle(entries[:width]) if width <= len(entries) else None)
        self._check_hashes(0, index)

    def check_upper_tiles(self) -> None:
        for tile in tiles_of(self.size or 0):
            if tile.level:
                self._check_hashes(tile.level, tile.index)

    def _check_hashes(self, level: int, index: int) -> None:
        content = self._rows.tile(self._tx, level, index)
        if content is not None:
            self._check_tile(level, index, lambda width: _first_hashes(content, width))

    def _check_tile(self, level: int | None, index: int, expected: Callable[[int], bytes | None]) -> None:
        """The file that the published checkpoint needs, and every narrower one that lies beside it."""
        assert self.size is not None
        needed = tile_at(level, index, self.size)
        if not self._compare(needed, expected) and (needed.is_full or not self._compare(needed.full, expected)):
            self._report(needed.path, "the published checkpoint needs this file, and it is not there")
        for width in self._widths(needed):
            if width != needed.width:
                self._compare(Tile(level, index, width), expected)

    def _compare(self, tile: Tile, expected: Callable[[int], bytes | None]) -> bool:
        """False when there is no such file. One that is wider than the rows was published after the snapshot."""
        right = expected(tile.width)
        if right is None:
            return (self._folder / tile.path).is_file()
        found = self._read(tile.path, len(right))
        if found is None:
            return False
        self.compared += 1
        if found != right:
            self._report(tile.path, "it is not what the rows in the database say")
        return True

    def _widths(self, tile: Tile) -> list[int]:
        """Of the partial files at this place."""
        with contextlib.suppress(OSError):
            names = [path.name for path in (self._folder / f"{tile.full.path}.p").iterdir()]
            return sorted(int(name) for name in names if _WIDTH.fullmatch(name) and int(name) < TILE_WIDTH)
        return []

    def _check_checkpoint(self, note: bytes | None) -> int | None:
        if note is None:
            if any(row.note is not None for row in self._rows.checkpoints(self._tx)):
                self._report(CHECKPOINT_PATH, "checkpoints were signed, and none is published")
            return None
        try:
            checkpoint = open_checkpoint(note, self._keys, origin=self._rows.origin).checkpoint
        except TlogError as error:
            self._report(CHECKPOINT_PATH, f"it does not verify with the log's keys: {error}")
            return None
        return self._check_known(checkpoint)

    def _check_known(self, published: Checkpoint) -> int | None:
        size = self._rows.head.size
        if published.size > size:
            self._report(CHECKPOINT_PATH, f"it is of size {published.size}, the database has {size}: is it older?")
            return None
        row = self._rows.checkpoint(self._tx, published.size)
        if row is None or row.note is None:
            self._report(CHECKPOINT_PATH, f"size {published.size} is published, its row has no signature")
        elif row.head.root != published.root:
            self._report(CHECKPOINT_PATH, f"it has another root for size {published.size} than its row")
        # Whose keys sign may have changed since; a file that names a key the log never had is another matter.
        there = self._read(_VERIFIER_KEYS, MAX_NOTE_BYTES)
        known = set(format_verifier_keys(self._keys).splitlines())
        if self._rows.closed is None and there is not None and not set(there.splitlines()) <= known:
            self._report(_VERIFIER_KEYS, "it names a key that the log never had")
        return published.size

    def _read(self, path: str, limit: int) -> bytes | None:
        """At most one byte more than `limit`, which then differs from everything expected."""
        try:
            return _read_bounded(self._folder / path, limit)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            self._report(path, f"it cannot be read: {error.strerror}")
            return b""

    def _report(self, place: str, problem: str) -> None:
        self._report_problem(f"{self._rows.folder}{place}", problem)


def _read_bounded(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _first_hashes(content: bytes, width: int) -> bytes | None:
    return content[: width * HASH_SIZE] if width * HASH_SIZE <= len(content) else None
