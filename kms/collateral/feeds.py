"""Keeps what the operator provides up to date: named sources (files, mirrors) and a watched folder.

A source is read again after `refresh`, or earlier when its collateral is about to end: at half of what is left, so that
a mirror may fail a few times. When it can not be read, or what it says is refused, what is in force stays in force and
grows old; the policy says how old is too old.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from kms.collateral.fetch import FetchFailed, check_source, is_url, read_file, read_url
from kms.collateral.model import CollateralItem, CollateralKind, SourceStatus, check_label
from kms.collateral.service import CollateralService, Offer
from kms.core.clock import Clock
from kms.core.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    ServiceError,
    Unavailable,
)

RETRY = timedelta(seconds=60)
"""After a failure, unless the refresh interval is shorter."""
EARLIEST = timedelta(seconds=60)
"""The shortest wait because of an end that is near."""
LOOK_SECONDS = 2.0
"""How often the watched folder and the changes of other replicas are looked at."""
_TOLD_MAX = 100
_logger = logging.getLogger(__name__)
_Stamp = tuple[int, int, int] | None
_NEVER = object()
_NOT_ITS_FAULT = (Aborted, ResourceExhausted, Unavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`location`: a file path, an https URL, or an http URL of this machine. ValueError for anything else."""

    kind: CollateralKind
    location: str
    refresh: timedelta
    label: str = ""

    def __post_init__(self) -> None:
        check_source(self.location)
        try:
            check_label(self.kind, self.label)
        except ServiceError as error:
            raise ValueError(error.message) from error


class CollateralFeeds:
    """Background work of one process; replicas may do the same beside it."""

    def __init__(
        self,
        service: CollateralService,
        *,
        sources: tuple[Source, ...],
        folder: Path | None,
        clock: Clock,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._service = service
        self._sources = sources
        self._folder = folder
        self._clock = clock
        self._look_seconds = look_seconds
        self._seen: dict[str, _Stamp | object] = {}
        self._told: set[Path] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Takes up what is in force, and reads files; URLs are fetched in the background."""
        await self._service.shelf.load()
        await self.look_at_files()
        fetched = (self._keep(source) for source in self._sources if is_url(source.location))
        self._tasks = [asyncio.create_task(task) for task in (*fetched, self._keep_looking())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def refresh(self, source: Source) -> CollateralItem | None:
        """One attempt; None when it failed, and then what is in force stays. Raises Aborted, ResourceExhausted and
        Unavailable when nothing is wrong with the source.
        """
        now = self._clock.now()
        item: CollateralItem | None = None
        error = ""
        try:
            data, fetched_at = await asyncio.to_thread(_read, source.location, now)
            offer = Offer(
                kind=source.kind, data=data, source=shown(source.location), fetched_at=fetched_at, label=source.label
            )
            item, _ = await self._service.take_in(offer, now=now)
        except (FetchFailed, InvalidArgument, FailedPrecondition) as problem:
            error = str(problem)
            _logger.warning("%s from %s was not taken in: %s", source.kind, shown(source.location), problem)
        status = SourceStatus(kind=source.kind, source=shown(source.location), attempt_time=now, error=error)
        self._service.note_attempt(status)
        return item

    async def look_at_files(self) -> None:
        """Takes in what is new or has changed: of the named files, and of the folder, whose subfolders are named after
        kinds. What could not be stored is tried again at the next look; what is wrong with a file stays wrong.
        """
        for source, stamp in await asyncio.to_thread(self._files):
            if self._seen.get(source.location, _NEVER) != stamp:
                before, self._seen[source.location] = self._seen.get(source.location, _NEVER), stamp
                try:
                    await self.refresh(source)
                except _NOT_ITS_FAULT:
                    self._seen[source.location] = before

    def _files(self) -> list[tuple[Source, _Stamp]]:
        self._tell_misnamed()
        named = [source for source in self._sources if not is_url(source.location)]
        return [(source, _stamp(Path(source.location))) for source in (*named, *_in_folder(self._folder))]

    def _tell_misnamed(self) -> None:
        """What lies in the folder and is nothing that is watched, once for each name: nobody would hear of it."""
        kinds = {kind.value for kind in CollateralKind}
        for path in sorted(self._folder.glob("[!.]*")) if self._folder is not None else ():
            if path.name not in kinds and path not in self._told and len(self._told) < _TOLD_MAX:
                self._told.add(path)
                _logger.warning("%s is passed over: subfolders are named %s", path, ", ".join(sorted(kinds)))

    async def _keep(self, source: Source) -> None:
        """Until cancelled."""
        while True:
            item = None
            try:
                item = await self.refresh(source)
            except ServiceError as error:
                _logger.warning("%s could not be taken in, later again: %s", source.kind, error)
            await asyncio.sleep(wait(source.refresh, item, self._clock.now()).total_seconds())

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                await self.look_at_files()
                if await self._service.shelf.load_if_changed():
                    self._service.changed()
            except (ServiceError, OSError) as error:
                _logger.warning("collateral could not be looked at, later again: %s", error)


def wait(refresh: timedelta, item: CollateralItem | None, now: datetime) -> timedelta:
    """How long until the next attempt; `item` is what the last one gave, None when it failed."""
    if item is None:
        return min(RETRY, refresh)
    if item.next_update is None:
        return refresh
    return min(refresh, max(EARLIEST, (item.next_update - now) / 2))


def shown(location: str) -> str:
    """A source as it is shown and stored: without what may be a secret in a URL."""
    if not is_url(location):
        return location
    parts = urlsplit(location)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _read(location: str, now: datetime) -> tuple[bytes, datetime]:
    return (read_url(location), now) if is_url(location) else read_file(Path(location))


def _in_folder(folder: Path | None) -> Iterator[Source]:
    """By name; names that begin with a dot are somebody's work in progress, of the kinds with labels the label is the
    name of the file without its ending.
    """
    for kind in CollateralKind if folder is not None else ():
        assert folder is not None
        for path in sorted((folder / kind.value).glob("[!.]*")):
            try:
                label = path.stem.lower() if kind.labelled else ""
                yield Source(kind=kind, location=str(path), refresh=RETRY, label=label)
            except ValueError as error:
                _logger.warning("%s is passed over: %s", path, error)


def _stamp(path: Path) -> _Stamp:
    """Changes with the file; None: it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
