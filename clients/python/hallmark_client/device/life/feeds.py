"""What the service has told: from the file while nothing runs, from a watcher while it does.

A watcher holds its file alone, and a new certificate needs a new watcher, so there are moments without one. Decisions
go on through all of them by what was held last; they are made of memory alone and ask nobody.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hallmark_client.client import Client
from hallmark_client.system import System
from hallmark_client.watch.changes import Change
from hallmark_client.watch.clocks import DeviceClock
from hallmark_client.watch.core import Core
from hallmark_client.watch.decisions import Use, use_of
from hallmark_client.watch.held import Writing
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.snapshot import WatchSnapshot, snapshot_of
from hallmark_client.watch.status import WatchStatus
from hallmark_client.watch.store import SqliteStore
from hallmark_client.watch.watcher import Watcher
from hallmark_events.trusted_time import Clocks, Now, TrustedTime

from .trust import Trust

FILE: Final = "watch.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """Of the watcher: see WatchSettings."""

    heartbeat: timedelta = timedelta(seconds=30)
    poll_every: timedelta = timedelta(seconds=30)
    files_every: timedelta = timedelta(minutes=5)
    more: dict[str, Any] = field(default_factory=dict)


class Feeds:
    """Both feeds of one device. Threads: any. Raises StoreFailed of the watch when its file can not be read."""

    def __init__(
        self, folder: Path, *, parent: str, device_id: str, system: System, clock: DeviceClock, settings: FeedSettings
    ) -> None:
        """parent: tenants/{tenant}. Reads what was held, and holds the file for no longer than that."""
        self._path = folder / FILE
        self._parent = parent
        self._common: dict[str, Any] = {"device": device_id, "system": system, "clock": clock}
        self._clock = clock
        self._settings = settings
        self._lock = threading.Lock()
        self._watcher: Watcher | None = None
        store = SqliteStore(self._path)
        try:
            rest = WatchSettings(trusted_keys={}, log_policy=[], **self._common)
            self._held = Core(parent=parent, settings=rest, store=store, has_files=False).held
        finally:
            store.close()

    def start(
        self, client: Client, trust: Trust, *, files_url: str | None, on_change: Callable[[Change], object]
    ) -> None:
        """With this client from now on; the watcher of the one before ends first."""
        self.stop()
        watcher = Watcher(
            client,
            store=self._path,
            on_change=on_change,
            files_url=files_url,
            trusted_keys=trust.keys(client),
            log_policy=trust.log(),
            heartbeat=self._settings.heartbeat,
            poll_every=self._settings.poll_every,
            files_every=self._settings.files_every,
            **self._common,
            **self._settings.more,
        )
        with self._lock:
            self._watcher = watcher
            self._held = watcher._core.held  # noqa: SLF001 - the same package

    def stop(self) -> None:
        with self._lock:
            watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()

    def tick(self) -> None:
        """While nothing runs: the time that has passed is written down, so that a reboot does not take it back. A
        watcher does so by itself. Raises StoreFailed.
        """
        with self._lock:
            if self._watcher is not None:
                return
            ticked = self._held.clock.trusted.ticked(self._clock.read())
            self._held.clock = replace(self._held.clock, trusted=ticked)
            clock = self._held.clock
        store = SqliteStore(self._path)
        try:
            store.save(Writing(clock=clock))
        finally:
            store.close()

    def decision(self, subject: str) -> Use:
        """subject: full resource name."""
        with self._lock:
            watcher, held = self._watcher, self._held
        if watcher is not None:
            return watcher.decision(subject)
        return use_of(held, subject, self._clock.read())

    def snapshot(self) -> WatchSnapshot:
        with self._lock:
            watcher, held = self._watcher, self._held
        if watcher is not None:
            return watcher.snapshot()
        return snapshot_of(held, held.clock.trusted.at(self._clock.read()).proven)

    def now(self) -> tuple[Now, Clocks]:
        """The trusted time, and the clocks that it was read from."""
        with self._lock:
            trusted: TrustedTime = self._held.clock.trusted
        clocks = self._clock.read()
        return trusted.at(clocks), clocks

    def status(self) -> WatchStatus | None:
        """None while nothing runs."""
        with self._lock:
            watcher = self._watcher
        return None if watcher is None else watcher.status
