"""Pieces from a repository to the disk, over a few connections; only what is compared with its digest is written.

Each connection takes a run of missing pieces of one part and reads it as one stream from the run's first byte on. One
that fails goes on from the first piece that is not whole, after a pause with full jitter. Memory: one piece for each
connection.
"""

import hashlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import Final, cast

from hallmark_client.backoff import full_jitter
from hallmark_client.device.updates.buffers import buffer
from hallmark_client.device.updates.downloads import Download, PartFile
from hallmark_client.device.updates.gate import EVERY_SECONDS, Gate
from hallmark_client.device.updates.model import UpdateSettings
from hallmark_client.system import System
from hallmark_release.errors import PieceInvalid, SourceFailed, SourceMissing
from hallmark_release.index import PIECE_SIZE, IndexPart
from hallmark_release.lanes import Flushing
from hallmark_release.pieces import piece_size
from hallmark_release.source import ReleaseSource

_SYNC_PIECES: Final = 16
"""Pieces after which the disk is told to begin: 64 MiB. So little is left to be written when the vault syncs."""
_SPLIT_PIECES: Final = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Pieces `first` to before `end` of a part."""

    part: IndexPart
    first: int
    end: int

    @property
    def size(self) -> int:
        return sum(piece_size(self.part, number) for number in range(self.first, self.end))


class _Stopped(Exception):
    """Another connection has failed for good."""


class Fetching:
    """Raises PieceInvalid, SourceFailed, SourceMissing, NoSpace, UpdateStoreFailed, and what the gate raises."""

    def __init__(
        self,
        source: ReleaseSource,
        download: Download,
        *,
        gate: Gate,
        settings: UpdateSettings,
        system: System,
        flushing: Flushing,
        arrived: Callable[[int], None],
    ) -> None:
        """arrived: told the bytes of each whole piece, by one thread at a time."""
        self._source, self._download, self._gate = source, download, gate
        self._settings, self._system, self._arrived = settings, system, arrived
        self._flushing = flushing
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._runs: Iterator[Run] = iter(())

    def fetch(self, missing: Iterable[Run]) -> None:
        """All of it is written when this returns, and on its way to the disk."""
        self._runs = iter(split(list(missing), self._settings.connections))
        count = self._settings.connections
        with ThreadPoolExecutor(count, "hallmark-update") as pool:
            workers = [pool.submit(self._work) for _ in range(count)]
            try:
                wait(workers, return_when=FIRST_EXCEPTION)
            finally:  # also when this thread is interrupted
                self._stop.set()
        for error in [worker.exception() for worker in workers]:
            if error is not None and not isinstance(error, _Stopped):
                raise error

    def _work(self) -> None:
        piece = buffer(PIECE_SIZE)
        try:
            while True:
                with self._lock:
                    run = next(self._runs, None)
                if run is None:
                    return
                with self._download.writing(run.part) as file:
                    self._fetch_run(run, file, piece)
        except BaseException:
            self._stop.set()
            raise

    def _fetch_run(self, run: Run, file: PartFile, piece: memoryview) -> None:
        number, failures = run.first, 0
        while number < run.end:
            try:
                for following in self._pieces(Run(run.part, number, run.end), file, piece):
                    number, failures = following, 0
                    if (number - run.first) % _SYNC_PIECES == 0:
                        self._flushing.begin(file.syncing)
            except (SourceFailed, PieceInvalid) as error:
                failures += 1
                is_longer = number == run.end and isinstance(error, PieceInvalid)
                if is_longer or isinstance(error, SourceMissing) or failures >= self._settings.attempts:
                    raise
                self._pause(failures)

    def _pieces(self, run: Run, file: PartFile, piece: memoryview) -> Iterator[int]:
        """After each piece that was written, the number of the next one."""
        part, number, filled, digest = run.part, run.first, 0, hashlib.sha256()
        stream = self._source.stream(part.location, start=number * PIECE_SIZE)
        with closing(cast("Generator[bytes, None, None]", stream)):
            for portion in stream:
                self._check()
                left = memoryview(portion)
                while left:
                    if number == len(part.pieces):
                        raise PieceInvalid(f"{part.path!r} is longer than was published")
                    taken = left[: piece_size(part, number) - filled]
                    piece[filled : filled + len(taken)] = taken
                    digest.update(taken)
                    filled, left = filled + len(taken), left[len(taken) :]
                    if filled == piece_size(part, number):
                        if digest.digest() != part.pieces[number]:
                            raise PieceInvalid(f"piece {number} of {part.path!r} is not the one that was published")
                        file.write(number, piece[:filled])
                        self._tell(filled)
                        number, filled, digest = number + 1, 0, hashlib.sha256()
                        yield number
                        if number == run.end < len(part.pieces):
                            return
        if number < run.end:
            raise PieceInvalid(f"{part.path!r} ended early, in piece {number}")

    def _tell(self, size: int) -> None:
        with self._lock:
            self._arrived(size)

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._gate.check()

    def _pause(self, failures: int) -> None:
        seconds = full_jitter(
            failures,
            first_seconds=self._settings.wait_seconds,
            ceiling_seconds=self._settings.wait_seconds_max,
            jitter=self._system.jitter,
        )
        while seconds > 0:
            self._check()
            self._system.sleep(min(seconds, EVERY_SECONDS))
            seconds -= EVERY_SECONDS


def runs(part: IndexPart, missing: Iterable[int]) -> list[Run]:
    """missing: numbers of pieces, ascending."""
    found: list[Run] = []
    for number in missing:
        if found and found[-1].end == number:
            found[-1] = Run(part, found[-1].first, number + 1)
        else:
            found.append(Run(part, number, number + 1))
    return found


def split(given: list[Run], connections: int) -> list[Run]:
    """Halves of the longest ones, until each connection has one; short ones stay whole."""
    found = list(given)
    while 0 < len(found) < connections:
        longest = max(found, key=lambda run: run.end - run.first)
        if longest.end - longest.first < _SPLIT_PIECES:
            break
        half = (longest.first + longest.end) // 2
        place = found.index(longest)
        found[place : place + 1] = [Run(longest.part, longest.first, half), Run(longest.part, half, longest.end)]
    return found
