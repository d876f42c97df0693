"""The repository's TUF metadata, followed by python-tuf's own client (The Update Framework 1.0, section 5).

The root is pinned by the caller; from it on root > timestamp > snapshot > targets, every role with two signatures
(ECDSA P-256 and ML-DSA-65, threshold 2: whoever breaks one of both has nothing). What was seen stands in `state`, so
that an older timestamp, snapshot or targets is refused the next time.

Freshness is judged by `now`, which the caller takes from a clock that can not be set back (on a device the floor of
trusted time). python-tuf reads the system's clock when its set of trusted metadata is made, and compares with that
until the end: it is replaced here before anything is compared.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from tuf.api import exceptions as tuf
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from hallmark_release.bundle import BUNDLE_BYTES_MAX
from hallmark_release.errors import (
    MetadataExpired,
    MetadataInvalid,
    MetadataRolledBack,
    MetadataUnsigned,
    ReleaseUnknown,
    RepositoryUnusable,
    SourceFailed,
    SourceMissing,
    SourceTooSlow,
    TargetInvalid,
    TrustUnusable,
)
from hallmark_release.index import INDEX_BYTES_MAX
from hallmark_release.metadata_files import METADATA_BYTES_MAX
from hallmark_release.names import checked_id
from hallmark_release.source import ReleaseSource
from hallmark_tlog.bundles import MAX_ENTRY_BYTES
from hallmark_tlog.proof import MAX_PROOF_BYTES

BUNDLE_NAME: Final = "model.sig"
COMPOSITE_BUNDLE_NAME: Final = "model.sig.composite"
INDEX_NAME: Final = "index.json"
PROOF_NAME: Final = "release.tlog-proof"
TARGET_SIZES: Final = {
    BUNDLE_NAME: BUNDLE_BYTES_MAX,
    COMPOSITE_BUNDLE_NAME: BUNDLE_BYTES_MAX,
    INDEX_NAME: INDEX_BYTES_MAX,
    PROOF_NAME: MAX_PROOF_BYTES + MAX_ENTRY_BYTES,
}
"""The files of a release that TUF vouches for, below its model's name, and how large each may be."""

_BASE: Final = "release:///"


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the metadata said of itself. expires: the first of the four roles to expire."""

    root_version: int
    timestamp_version: int
    snapshot_version: int
    targets_version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class ReleaseFiles:
    """The current release of a model: exactly the bytes that the repository's targets role signed."""

    bundle: bytes
    composite_bundle: bytes
    index: bytes
    log_proof: bytes
    freshness: Freshness


def fetch_release(
    source: ReleaseSource, model: str, *, trusted_root: bytes, now: datetime, state: Path | None = None
) -> ReleaseFiles:
    """Follow the metadata and fetch the four files of the model's current release.

    trusted_root: a root.json, of any version, that the caller has from a safe place. state: folder of what was seen
    (made where there is none); without one, nothing is remembered and only `now` protects against an old state.
    Raises MetadataUnsigned, MetadataExpired, MetadataRolledBack, MetadataInvalid, TargetInvalid, ReleaseUnknown,
    SourceFailed, TrustUnusable (the pinned root itself), RepositoryUnusable (the state folder).
    """
    checked_id(model, "the model")
    with ExitStack() as stack:
        folder = stack.enter_context(_state_folder(state))
        with _translated():
            updater = _updater(folder, source, trusted_root, now)
        with _translated():
            updater.refresh()
            found = {name: updater.get_targetinfo(f"{model}/{name}") for name in TARGET_SIZES}
        files = {name: _fetch(updater, target, model, name) for name, target in found.items()}
        return ReleaseFiles(
            bundle=files[BUNDLE_NAME],
            composite_bundle=files[COMPOSITE_BUNDLE_NAME],
            index=files[INDEX_NAME],
            log_proof=files[PROOF_NAME],
            freshness=_freshness(updater),
        )


class _SourceFetcher(FetcherInterface):
    """python-tuf's port for the network, over ours."""

    def __init__(self, source: ReleaseSource) -> None:
        self._source = source

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        if url.startswith(f"{_BASE}metadata/"):  # python-tuf believes any length that the metadata above tells
            max_length = min(max_length, METADATA_BYTES_MAX)
        with super().download_file(url, max_length) as file:
            yield file

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield from self._source.stream(url.removeprefix(_BASE))
        except SourceMissing as error:
            raise tuf.DownloadHTTPError(str(error), 404) from error
        except SourceFailed as error:
            raise tuf.DownloadError(str(error)) from error


def _updater(folder: Path, source: ReleaseSource, trusted_root: bytes, now: datetime) -> Updater:
    for name in ("metadata", "targets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    try:
        updater = Updater(
            metadata_dir=str(folder / "metadata"),
            metadata_base_url=f"{_BASE}metadata/",
            target_dir=str(folder / "targets"),
            target_base_url=f"{_BASE}targets/",
            fetcher=_SourceFetcher(source),
            config=UpdaterConfig(max_delegations=1),
            bootstrap=trusted_root,
        )
    except (tuf.RepositoryError, ValueError) as error:
        raise TrustUnusable(f"the trusted root is no valid root metadata: {error}") from error
    trusted = updater._trusted_set  # noqa: SLF001 - the one place: python-tuf takes no clock (see above)
    if not isinstance(getattr(trusted, "reference_time", None), datetime):
        raise TrustUnusable("this version of python-tuf keeps its time elsewhere: install the one that was pinned")
    trusted.reference_time = now
    return updater


def _fetch(updater: Updater, target: TargetFile | None, model: str, name: str) -> bytes:
    if target is None:
        raise ReleaseUnknown(f"the repository has no release of {model}: {model}/{name} is not listed")
    if target.length > TARGET_SIZES[name]:
        raise TargetInvalid(f"{model}/{name} is larger than the {TARGET_SIZES[name]} bytes it can have")
    with _translated(what=f"{model}/{name}"):
        path = updater.find_cached_target(target) or updater.download_target(target)
        return Path(path).read_bytes()


def _freshness(updater: Updater) -> Freshness:
    trusted = updater._trusted_set  # noqa: SLF001 - as above
    return Freshness(
        trusted.root.version,
        trusted.timestamp.version,
        trusted.snapshot.version,
        trusted.targets.version,
        expires=min(each.expires for each in (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets)),
    )


@contextmanager
def _state_folder(state: Path | None) -> Iterator[Path]:
    if state is None:
        with tempfile.TemporaryDirectory(prefix="hallmark-release-") as folder:
            yield Path(folder)
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RepositoryUnusable(f"the state folder {state} can not be made: {error.strerror}") from error
    yield state


@contextmanager
def _translated(what: str = "") -> Iterator[None]:
    """python-tuf's errors as ours. The order matters: its classes stand below one another."""
    told = f"{what}: " if what else ""
    listed = told or "the repository's metadata: "
    try:
        yield
    except tuf.UnsignedMetadataError as error:
        raise MetadataUnsigned(f"{listed}{error}") from error
    except tuf.ExpiredMetadataError as error:
        raise MetadataExpired(f"{listed}{error}") from error
    except tuf.BadVersionNumberError as error:
        raise MetadataRolledBack(f"{listed}{error}") from error
    except (tuf.LengthOrHashMismatchError, tuf.DownloadLengthMismatchError) as error:
        raise (TargetInvalid if what else MetadataInvalid)(f"{listed}{error}") from error
    except tuf.RepositoryError as error:
        raise MetadataInvalid(f"{listed}{error}") from error
    except tuf.DownloadHTTPError as error:
        raise SourceMissing(f"{told}{error}") from error
    except tuf.DownloadError as error:
        slow = isinstance(error.__cause__, SourceTooSlow)
        raise (SourceTooSlow if slow else SourceFailed)(f"{told}{error}") from error
    except OSError as error:
        raise RepositoryUnusable(f"the state of the verifier can not be kept: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # of metadata that python-tuf did not foresee
        raise MetadataInvalid(f"{told}the metadata can not be read: {type(error).__name__}") from error
