"""What a device remembers of a model's releases, in the vault: under the epoch key, so whoever edits the disk does not
write it, and whoever empties the folder of updates gains nothing.

Canonical JSON: {"digest","epoch","format":"hallmark-device-update/v1","installed","time"}
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from hallmark_client.device.errors import ArtifactUnknown, ContentInvalid
from hallmark_client.device.updates.errors import EpochReused
from hallmark_client.device.vault import Vault
from hallmark_events.canonical import canonical_json, format_time, parse_canonical, parse_time
from hallmark_release.verify import VerifiedRelease

_FORMAT: Final = "hallmark-device-update/v1"
_BYTES_MAX: Final = 1024
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBERS: Final = {"digest": str, "epoch": int, "format": str, "installed": str, "time": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """epoch, digest (hex): of the newest release that was believed. installed: digest of the last one whose
    installation stands in the audit chain. time: when the newest was logged; it is later than that now.
    """

    epoch: int = 0
    digest: str = ""
    installed: str = ""
    time: datetime = _NEVER

    def with_release(self, release: VerifiedRelease) -> Self:
        """The release was verified with `epoch` as its minimum."""
        return replace(
            self,
            epoch=release.index.release.epoch,
            digest=release.statement.sha256.hex(),
            time=max(self.time, release.log.time),
        )

    def to_bytes(self) -> bytes:
        return canonical_json(
            {
                "digest": self.digest,
                "epoch": self.epoch,
                "format": _FORMAT,
                "installed": self.installed,
                "time": format_time(self.time),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises ContentInvalid."""
        found = parse_canonical(data, what="what is remembered of a model", max_bytes=_BYTES_MAX, refuse=_invalid)
        if {name: type(value) for name, value in found.items()} != _MEMBERS or found["format"] != _FORMAT:
            raise _invalid("what is remembered of a model has another format")
        time = parse_time(found["time"], what="time", refuse=_invalid)
        return cls(epoch=found["epoch"], digest=found["digest"], installed=found["installed"], time=time)


def recall(vault: Vault, model: str) -> Remembered:
    """model: as the repository lists it. Nothing, where nothing was believed yet. Raises ContentInvalid."""
    try:
        return Remembered.parse(bytes(vault.secret(_label(model))))
    except ArtifactUnknown:
        return Remembered()


def remember(vault: Vault, model: str, known: Remembered) -> None:
    """Durable when it returns."""
    vault.keep_secret(_label(model), known.to_bytes())


def check_epoch_is_new(release: VerifiedRelease, epoch: int, digest: str) -> None:
    """Raises EpochReused where the release with this epoch has another digest (hex)."""
    found = release.statement.sha256.hex()
    if release.index.release.epoch == epoch and found != digest:
        sentence = f"a second release has epoch {epoch}: {found[:16]}, after {digest[:16]}; tell its publisher"
        raise EpochReused("EPOCH_REUSED", sentence)


def _label(model: str) -> str:
    return f"hallmark-update/{model}"


def _invalid(why: str) -> ContentInvalid:
    return ContentInvalid("CONTENT_INVALID", why)
