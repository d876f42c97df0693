"""May this release still be had? Asked before anything is fetched, at most a second later all the time, and at the end.

An update is not stopped because a lease is missing, or has not begun by the device's own reckoning, which is a little
behind the service's: whoever has the content key says so, and the vault at each use. What takes away stops it.
"""

import threading
from collections.abc import Callable
from typing import Final

from hallmark_client.device.errors import ArtifactSuspended
from hallmark_client.device.model import Artifact
from hallmark_client.device.updates.errors import ReleaseRevoked, ReleaseSuspended
from hallmark_client.device.vault import Permissions
from hallmark_events.lease import Why

EVERY_SECONDS: Final = 1.0
_FOR_A_TIME: Final = frozenset(why.value for why in (Why.SUSPENDED, Why.SILENT, Why.CLOCK_UNKNOWN, Why.CLOCK_LATE))


class Gate:
    """Any thread. artifact: as it would be stored. Raises ReleaseRevoked, ReleaseSuspended."""

    def __init__(self, permissions: Permissions | None, artifact: Artifact, monotonic: Callable[[], float]) -> None:
        self._permissions = permissions
        self._artifact = artifact
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked = float("-inf")

    def check(self) -> None:
        """If a second has passed."""
        now = self._monotonic()
        with self._lock:
            due = now - self._asked >= EVERY_SECONDS
            if due:
                self._asked = now
        if due:
            self.ask()

    def ask(self) -> None:
        """Now."""
        if self._permissions is None:
            return
        try:
            self._permissions.check(self._artifact)
        except ArtifactSuspended as error:
            why = error.metadata.get("why", "")
            if why == Why.NOT_YET.value:
                return
            kind, reason = (
                (ReleaseSuspended, "RELEASE_SUSPENDED") if why in _FOR_A_TIME else (ReleaseRevoked, "RELEASE_REVOKED")
            )
            raise kind(reason, error.message, metadata={"why": why}) from error
