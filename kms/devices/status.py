"""Keeps Google's attestation status list at hand: read at start, refreshed in the background, kept on disk.

The verification never waits for it. When it can not be refreshed the last good copy serves on, also over a restart,
until the policy's maximum age; then evidence is refused with STATUS_LIST_STALE. Every list that was ever in force is
kept under its SHA-256, so that a verdict can be replayed with the list it saw:
  {folder}/{sha256}.json   the bytes of a list
  {folder}/latest.json     {"sha256", "fetched_at", "source"}: which one is in force
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from attestation.errors import CollateralError
from attestation.status import StatusList, parse_status_list
from kms.core.clock import Clock, format_time
from kms.devices.fetch import STATUS_BYTES_MAX, FetchFailed, check_source, is_url, read_file, read_url

RETRY_SECONDS = 60.0
"""After a failure, unless the refresh interval is shorter."""

_logger = logging.getLogger(__name__)


class StatusFeed:
    """The status list of one source (see kms.devices.fetch for what a source may be)."""

    def __init__(self, source: str, *, folder: Path, refresh: timedelta, clock: Clock) -> None:
        """Raises ValueError when the source is not allowed."""
        self._source = check_source(source)
        self._folder = folder
        self._refresh_seconds = refresh.total_seconds()
        self._clock = clock
        self._current: StatusList | None = None
        self._task: asyncio.Task[None] | None = None

    def current(self) -> StatusList | None:
        """The list in force; None until the first was read."""
        return self._current

    async def start(self) -> None:
        """Takes up the copy on disk, then refreshes in the background; from a file the first refresh is done here."""
        self._current = await asyncio.to_thread(_load_copy, self._folder, self._source)
        if not is_url(self._source):
            await self._try_refresh()
        self._task = asyncio.create_task(self._refresh_for_ever(), name="android-status-list")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def refresh(self) -> StatusList:
        """One attempt. Raises FetchFailed or CollateralError, and then the last good list stays in force."""
        self._current = await asyncio.to_thread(_refresh, self._folder, self._source, self._clock.now())
        return self._current

    async def _try_refresh(self) -> bool:
        try:
            await self.refresh()
        except (FetchFailed, CollateralError, OSError) as error:
            _logger.warning("the Android status list was not refreshed, the last good one stays: %s", error)
            return False
        return True

    async def _refresh_for_ever(self) -> None:
        while True:
            done = await self._try_refresh()
            await asyncio.sleep(self._refresh_seconds if done else min(RETRY_SECONDS, self._refresh_seconds))


def _refresh(folder: Path, source: str, now: datetime) -> StatusList:
    data, fetched_at = (read_url(source), now) if is_url(source) else read_file(Path(source))
    status = parse_status_list(data, fetched_at=fetched_at)
    _save_copy(folder, source, data, status)
    return status


def _save_copy(folder: Path, source: str, data: bytes, status: StatusList) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    body = folder / f"{status.sha256}.json"
    if not body.exists():
        _replace(body, data)
    latest = {"sha256": status.sha256, "fetched_at": format_time(status.fetched_at), "source": source}
    _replace(folder / "latest.json", json.dumps(latest).encode())


def _load_copy(folder: Path, source: str) -> StatusList | None:
    """The list that was in force before the restart; None when there is none, or it came from another source."""
    try:
        latest = json.loads((folder / "latest.json").read_bytes())
        if latest["source"] != source:
            return None
        with (folder / f"{latest['sha256']}.json").open("rb") as file:
            data = file.read(STATUS_BYTES_MAX + 1)
        if hashlib.sha256(data).hexdigest() != latest["sha256"]:
            raise CollateralError("the copy on disk was changed")
        return parse_status_list(data, fetched_at=datetime.fromisoformat(latest["fetched_at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, CollateralError) as error:
        _logger.warning("the copy of the Android status list in %s is not usable: %s", folder, error)
        return None


def _replace(path: Path, data: bytes) -> None:
    """Atomic and durable: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
