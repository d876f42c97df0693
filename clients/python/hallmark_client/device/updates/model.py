"""Facts about updates, and how they are to be done."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hallmark_client.device.model import Artifact
from hallmark_client.model.result import Result
from hallmark_release.verify import VerifiedRelease

MIB = 1024 * 1024


class Stage(StrEnum):
    FETCHING = "fetching"
    """Encrypted pieces arrive; each is compared with its digest."""
    CHECKING = "checking"
    """Parts are opened in memory and compared with what was signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Result):
    """done, total: bytes of the stage. What was fetched before, by an update that ended early, is not in it."""

    stage: Stage
    done: int
    total: int


OnProgress = Callable[[Progress], None]
"""Called by one thread at a time, not always the same one."""


class KeySource(Protocol):
    """Who has content keys: `Device.request_key`."""

    def __call__(self, artifact: str, /, *, epoch: int) -> bytearray:
        """32 bytes, wiped after use. artifact: tenants/{tenant}/artifacts/{SHA-256 of the statement}."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Available(Result):
    """A newer release that could be installed: verified but for its parts. size: bytes to be fetched at most."""

    release: VerifiedRelease
    size: int
    installed: Artifact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpToDate(Result):
    """The current release is in the vault."""

    release: VerifiedRelease
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed(Result):
    """The current release is in the vault. is_new: it was not before. fetched: bytes that came from the repository, of
    parts. removed: older versions that are gone.
    """

    release: VerifiedRelease
    artifact: Artifact
    is_new: bool
    fetched: int
    removed: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """connections: to the repository at once; each holds one piece of 4 MiB in memory. attempts: in a row without a
    whole piece, before a download ends. wait_seconds, wait_seconds_max: between them, with full jitter. keep: versions
    of a model in the vault, the newest ones. needs_permission: whether a lease must stand behind each use of what is
    installed.
    """

    connections: int = 2
    attempts: int = 5
    wait_seconds: float = 1.0
    wait_seconds_max: float = 60.0
    keep: int = 1
    needs_permission: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.connections <= 16 and self.attempts >= 1 and self.keep >= 1):
            raise ValueError("an update has 1 to 16 connections, 1 attempt or more, and keeps 1 version or more")
