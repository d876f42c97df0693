"""Moments at which a log's process kills itself: its ports and the writes of its store, wrapped. For the killed child.

A moment is reached many times in a life; `Point` says at which of them, and how long after it, the process dies.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings
from kms.core.database import Database
from kms.log import store
from kms.log.memory.guard_file import GuardFile
from kms.log.model import PublishedCheckpoint
from kms.public.files import FolderPublicFiles, PublicFile, Unless
from support.file_key_provider import FileKeyProvider

WRITES: Final = "enqueue", "advance", "insert_intent", "store_note"
"""Of kms.log.store: outbox, sequencing, intent, signed note."""
COMMIT: Final = tuple(f"in {name}" for name in WRITES)
COMMITTED: Final = tuple(f"after {name}" for name in WRITES)
SIGN: Final = "sign", "Ed25519 signed", "ML-DSA signed"
PUBLISH: Final = "remember", "remembered", "publish", "before the checkpoint", "published"
ANSWER: Final = ("answer",)
_STALLS: Final = 0.3
_STALL_SECONDS: Final = 0.3
KINDS: Final = {
    **dict.fromkeys(COMMIT, "mid-commit"),
    **dict.fromkeys(COMMITTED, "after a commit"),
    **dict.fromkeys(SIGN, "mid-sign"),
    **dict.fromkeys(PUBLISH, "mid-publish"),
    **dict.fromkeys(ANSWER, "before the answer"),
}


@dataclass(slots=True)
class Point:
    """Dies at the moment `name` ("" is never), when it was passed `skip` times before, `delay_seconds` after it.

    At `stall` it sometimes stands still: what another replica does meanwhile, it does not know.
    """

    name: str
    skip: int = 0
    delay_seconds: float = 0.0
    stall: str = ""

    def reach(self, name: str) -> None:
        if name == self.stall and random.random() < _STALLS:
            time.sleep(random.uniform(0, _STALL_SECONDS))
        if name != self.name:
            return
        if self.skip > 0:
            self.skip -= 1
            return
        if self.delay_seconds:
            threading.Thread(target=self._die, daemon=True).start()
        else:
            self._die()

    def _die(self) -> None:
        time.sleep(self.delay_seconds)
        os.kill(os.getpid(), signal.SIGKILL)


class _Dying:
    """Signs for checkpoints."""

    point: Point

    async def sign_ed25519(self, *arguments: Any, **named: Any) -> bytes:
        self.point.reach("sign")
        signature: bytes = await super().sign_ed25519(*arguments, **named)  # type: ignore[misc]
        self.point.reach("Ed25519 signed")
        return signature

    async def sign_mldsa(self, *arguments: Any, **named: Any) -> bytes:
        signature: bytes = await super().sign_mldsa(*arguments, **named)  # type: ignore[misc]
        self.point.reach("ML-DSA signed")
        return signature


class DyingFileProvider(_Dying, FileKeyProvider):
    def __init__(self, path: Path, point: Point) -> None:
        super().__init__(path)
        self.point = point


class DyingSoftHsm(_Dying, Pkcs11KeyProvider):
    """With a signer process; it outlives its parent by a moment."""

    def __init__(self, folder: Path, point: Point) -> None:
        super().__init__(Pkcs11Settings(data_folder=folder, workers=1))
        self.point = point


class DyingFolder(FolderPublicFiles):
    def __init__(self, folder: Path, point: Point) -> None:
        super().__init__(folder)
        self._point = point

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        def asked(there: bytes) -> bool:
            self._point.reach("before the checkpoint")  # its tiles are there, and the folder is locked
            return unless is not None and unless(there)

        self._point.reach("publish")
        await super().publish(files, last, unless=asked)
        self._point.reach("published")


class DyingGuardFile(GuardFile):
    def __init__(self, path: Path, point: Point) -> None:
        super().__init__(path)
        self._point = point

    async def remember(self, origin: str, published: PublishedCheckpoint) -> None:
        self._point.reach("remember")
        await super().remember(origin, published)
        self._point.reach("remembered")


class DyingDatabase(Database):
    """Tells which of the `WRITES` a transaction made, in it and after its commit."""

    def __init__(self, url: str, point: Point, patch: pytest.MonkeyPatch) -> None:
        super().__init__(url)
        self._point = point
        self._local = threading.local()
        for name in WRITES:
            patch.setattr(store, name, self._telling(name, getattr(store, name)))

    async def write(self, work: Callable[..., Any]) -> Any:
        names: list[str] = []

        def marked(tx: Any) -> Any:
            self._local.names = names
            return work(tx)

        result = await super().write(marked)
        for name in names:
            self._point.reach(f"after {name}")
        return result

    def _telling(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any, **named: Any) -> Any:
            result = write(*arguments, **named)
            self._local.names.append(name)
            self._point.reach(f"in {name}")
            return result

        return told
