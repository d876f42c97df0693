"""What is told beside leases, kept at hand for `LeasePermissions`: read from the feeds again after each change."""

import threading
from collections.abc import Callable

from hallmark_client.watch.decisions import NotGranted, Use

from .fates import Told, told_by
from .feeds import Feeds

_NOBODY_ASKED = Told(blocked="NOT_ENROLLED")


class Standing:
    """Threads: any. Before `attach` nothing may be used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: Feeds | None = None
        self._device = ""
        self._doomed: Callable[[], frozenset[str]] = frozenset
        self._told = _NOBODY_ASKED
        self._changes = 0
        self._read = 0

    def attach(self, feeds: Feeds, *, device: str, doomed: Callable[[], frozenset[str]]) -> None:
        """device: full name. doomed: what gives the subjects under a command that is not carried out, from the disk."""
        with self._lock:
            self._feeds, self._device, self._doomed = feeds, device, doomed
        self.changed()

    def changed(self) -> None:
        """Feeds or commands: what was read is read again when it is asked for next. Call it after the change."""
        with self._lock:
            self._changes += 1

    def told(self) -> Told:
        with self._lock:
            feeds, changes, doomed = self._feeds, self._changes, self._doomed
            if feeds is None or changes == self._read:
                return self._told
        # Not under our lock: the watcher has one of its own, under which it may tell us of a change.
        told = told_by(feeds.snapshot(), device=self._device, doomed=doomed())
        with self._lock:
            if changes == self._changes:
                self._told, self._read = told, changes
        return told

    def decision(self, subject: str) -> Use:
        with self._lock:
            feeds = self._feeds
        return Use(subject=subject, lease="", decision=NotGranted()) if feeds is None else feeds.decision(subject)
