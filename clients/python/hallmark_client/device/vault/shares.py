"""Limits that the root of trust itself enforces on one artifact: how often, or until when, its key opens.

Such a key lies under a share of its own, which the root sealed with the limits; and that under the epoch key. Every use
asks the root for the share. When the epoch changes, the share is sealed again with what is left.
"""

from typing import Final

from hallmark_client.device.errors import LimitReached, RootLost
from hallmark_client.device.roots.port import Limits, RootOfTrust
from hallmark_client.device.vault.keys import KEY, EpochKey, wipe
from hallmark_client.system import System

_LABEL: Final = b"hallmark-share/"


class Shares:
    """Asks the root: one caller at a time. Raises RootUnavailable, LimitReached; `move` also RootLost."""

    def __init__(self, root: RootOfTrust, system: System) -> None:
        self._root = root
        self._system = system

    def lock(self, key: bytearray, artifact_id: str, limits: Limits, *, epoch: int) -> tuple[bytes, bytes]:
        """The key under a new share; the share as the root sealed it."""
        share = bytearray(self._system.random_bytes(KEY))
        label = _label(artifact_id)
        try:
            inner = EpochKey(share, self._system.random_bytes).wrap(key, label)
            return inner, self._root.seal(share, epoch=epoch, label=label, limits=limits)
        finally:
            wipe(share)

    def unlock(self, inner: bytearray, blob: bytes, artifact_id: str, *, epoch: int) -> bytearray:
        """The key. Counts as one use. Raises LimitReached also where the share was left behind in its epoch: the root
        is the right one, it opened the epoch key.
        """
        label = _label(artifact_id)
        try:
            share = self._root.open(blob, epoch=epoch, label=label)
        except RootLost:
            raise LimitReached("sealed-limits", "nothing is left of the limits that its key was sealed with") from None
        try:
            return EpochKey(share, self._system.random_bytes).unwrap(bytes(inner), label)
        finally:
            wipe(share)

    def move(self, blob: bytes, artifact_id: str, limits: Limits, *, epoch: int) -> bytes:
        """From `epoch` to the next one, with other limits."""
        share = self._root.open(blob, epoch=epoch, label=_label(artifact_id))
        try:
            return self._root.seal(share, epoch=epoch + 1, label=_label(artifact_id), limits=limits)
        finally:
            wipe(share)


def _label(artifact_id: str) -> bytes:
    return _LABEL + artifact_id.encode()
