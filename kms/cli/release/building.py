"""Building a release: the content key from the service, the encrypted parts and their description on this disk."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.failure import not_usable
from kms.cli.release.disk import writing
from kms.cli.release.progress import byte_progress

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_release.build import BuiltRelease
    from hallmark_release.statement import ReleaseId
    from kms.cli.release.service_keys import KeyNames

DEFAULT_KIND: Final = "model-weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """epoch None: the one after the newest that the service knows."""

    folder: Path
    out: Path
    model: str
    version: str
    epoch: int | None
    minimum_epoch: int
    kind: str
    ignore: Sequence[str]


def wanted_release(model: str | None, version: str | None) -> tuple[str, str]:
    """Raises UsageError."""
    if not model or not version:
        raise click.UsageError("a release needs a name and a version: --model NAME --version VERSION")
    return model, version


def default_folder(model: str, version: str) -> Path:
    """In the folder that the user is in, whatever stands in the version."""
    return Path(f"{model}-{re.sub('[^A-Za-z0-9._+-]', '_', version)}.release")


def build_with(client: "Client", names: "KeyNames", wanted: Wanted) -> "BuiltRelease":
    """Raises CommandError, HallmarkError, ReleaseError, OSError."""
    from hallmark_client.system import System
    from hallmark_release.build import build_release, new_release_id
    from hallmark_release.scan import GIT_PATHS, scan_folder
    from kms.cli.release.workspace import is_built

    if is_built(wanted.out):
        advice = f"`hallmark release publish {wanted.out}` goes on with it; to build anew, remove it first"
        raise not_usable("BUILD_EXISTS", f"{wanted.out} has a release already", advice)
    # First, so that a folder that can not be released costs no key, and gets none of our files.
    _check_outside(wanted.folder, wanted.out)
    size = sum(file.size for file in scan_folder(wanted.folder, (*GIT_PATHS, *wanted.ignore)))
    release = _release(client, wanted)
    _clear_unfinished(wanted.out)
    release_id = new_release_id(System().random_bytes)
    key = _content_key(client, names, wanted.out, release)
    try:
        with writing(wanted.out), byte_progress(f"Encrypting {wanted.folder.name}", size) as progress:
            return build_release(
                wanted.folder,
                wanted.out,
                release=release,
                release_id=release_id,
                kind=wanted.kind,
                key=key,
                ignore_paths=wanted.ignore,
                progress=progress,
            )
    finally:
        key[:] = bytes(len(key))


def _clear_unfinished(out: Path) -> None:
    """What a build that was killed left there: parts under a content key that the next build does not use."""
    from kms.cli.release.workspace import CONTENT_KEY_FILE

    if (out / CONTENT_KEY_FILE).is_file():
        shutil.rmtree(out / "parts", ignore_errors=True)


def _check_outside(folder: Path, out: Path) -> None:
    """Raises CommandError: the next release would take this one's files for the model's."""
    if out.resolve().is_relative_to(folder.resolve()):
        advice = f"`hallmark release build {folder} -o DIR` writes elsewhere; then `hallmark release publish DIR`"
        raise not_usable("FOLDER_UNUSABLE", f"{out} is inside {folder}: it would become part of itself", advice)


def _release(client: "Client", wanted: Wanted) -> "ReleaseId":
    from hallmark_release.statement import ReleaseId

    least = next_epoch(client, wanted.model)
    epoch = wanted.epoch or least
    if epoch < least:
        raise click.UsageError(f"--epoch {epoch} is not newer than the last release of {wanted.model}: {least} or more")
    if wanted.minimum_epoch > epoch:
        sentence = f"--minimum-epoch {wanted.minimum_epoch} would close this release too: its epoch is {epoch}"
        raise click.UsageError(sentence)
    return ReleaseId(
        tenant=client.tenant,
        model=wanted.model,
        version=wanted.version,
        epoch=epoch,
        minimum_epoch=wanted.minimum_epoch,
    )


def _content_key(client: "Client", names: "KeyNames", out: Path, release: "ReleaseId") -> bytearray:
    """Made by the service; the sealed one is written into the folder, the plain one is for the caller to wipe."""
    from kms.cli.release.workspace import SealedContentKey

    info = client.releases.content_key_info(release.model, version=release.version, epoch=release.epoch)
    data_key = client.envelopes.data_key(names.content, info=info)
    out.mkdir(parents=True, exist_ok=True)
    SealedContentKey.of(data_key, info).write(out)
    return bytearray(data_key.plaintext)


def next_epoch(client: "Client", model: str) -> int:
    """Raises HallmarkError."""
    return max((release.epoch for release in client.releases.list(model)), default=0) + 1
