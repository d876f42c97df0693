"""Releases onto a device: found, verified, fetched, checked, and only then there; or nothing has changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.model import Artifact
from hallmark_client.device.updates.downloads import UpdateFolder
from hallmark_client.device.updates.errors import ReleaseRevoked, UpdateFailed
from hallmark_client.device.updates.gate import Gate
from hallmark_client.device.updates.installing import Installing, draft, older
from hallmark_client.device.updates.model import (
    Available,
    Installed,
    KeySource,
    OnProgress,
    UpdateSettings,
    UpToDate,
)
from hallmark_client.device.updates.noting import note_installed, note_refused
from hallmark_client.device.updates.remembered import Remembered, check_epoch_is_new, recall, remember
from hallmark_client.device.vault import Disk, Permissions, Vault
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock
from hallmark_release.errors import ReleaseError, ReleaseMismatch, SourceFailed
from hallmark_release.lanes import Flushing
from hallmark_release.source import ReleaseSource, open_source
from hallmark_release.trust import ReleaseTrust
from hallmark_release.verify import VerifiedRelease, verify_release

NO_MINIMUM: Final = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """The current release; the artifact that it is here, if it is; the newest of the model that is here."""

    release: VerifiedRelease
    known: Remembered
    here: Artifact | None
    newest: Artifact | None


class Updater:
    """Keeps the models of a vault at the current release of a repository. Any thread; one update at a time in a folder.

    Each step stands on the one before, and its failure is an error of its own:
    1. metadata of the repository (TUF), fresh at `now`, not older than what was seen
    2. statement, its two signatures, index, the log's proof under a witnessed checkpoint
    3. the epoch: not below what was believed here, what is installed, what the service says
    4. permission: not revoked, suspended or superseded; asked again each second until the end
    5. encrypted pieces, each compared as it arrives; those that are here whole are not fetched again
    6. the content key; every part opened in memory, once, and compared with the statement
    7. the vault takes the files as they are, all or none; older versions are deleted; the audit chain says so

    Until 7 nobody can see anything of the release; a crash leaves encrypted pieces, from which the next update goes on.
    Raises hallmark_release.ReleaseError for what is wrong with a release or its repository, UpdateFailed for the rest,
    and what the vault and the key source raise.
    """

    def __init__(
        self,
        vault: Vault,
        source: ReleaseSource | str | Path,
        trust: ReleaseTrust,
        *,
        key_source: KeySource,
        folder: Path,
        permissions: Permissions | None = None,
        minimum_epoch: Callable[[str], int] = lambda _: NO_MINIMUM,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        settings: UpdateSettings | None = None,
        system: System | None = None,
        clock: DeviceClock | None = None,
        disk: Disk | None = None,
    ) -> None:
        """source: of the releases, or a URL or folder. trust: from a safe place, not from the source. folder: for what
        is on its way, on the vault's disk (else files are copied at the end). permissions: as the vault's.
        minimum_epoch: by full name of a model, what the service says. now: trusted time; it is believed as far as it is
        later than what the newest release proved. disk: for tests.
        """
        self._vault = vault
        self._source = open_source(str(source)) if isinstance(source, str | Path) else source
        self._trust = trust
        self._key_source = key_source
        self._folder = UpdateFolder(folder, disk or Disk())
        self._permissions = permissions
        self._minimum_epoch = minimum_epoch
        self._now = now
        self._settings = settings or UpdateSettings()
        self._system = system or System()
        self._clock = clock or DeviceClock()

    def check(self, model: str) -> Available | UpToDate:
        """Steps 1 to 4. Fetches no part and changes nothing in the vault but what is remembered of the model."""
        with self._folder.locked(), self._noting(model):
            found = self._look(model)
            if found.here is not None:
                return UpToDate(release=found.release, artifact=found.here)
            self._gate(found.release).ask()
            return Available(release=found.release, size=found.release.index.encrypted_size, installed=found.newest)

    def update(self, model: str, *, progress: OnProgress | None = None) -> Installed:
        """The current release of the model is in the vault when this returns: `artifact.name` is the model's id, its
        version the epoch, its parts the files of the release.
        """
        with self._folder.locked(), self._noting(model):
            found = self._look(model)
            artifact, fetched = found.here, 0
            if artifact is None:
                artifact, fetched = self._install(found.release, progress)
            removed = self._settle(found.release, found.known, artifact)
            return Installed(
                release=found.release,
                artifact=artifact,
                is_new=found.here is None,
                fetched=fetched,
                removed=removed,
            )

    def _look(self, model: str) -> _Found:
        """Steps 1 to 3; what was believed is remembered."""
        known = recall(self._vault, model)
        newest = _newest(self._vault, model)
        name = f"tenants/{self._vault.tenant}/models/{model}"
        release = verify_release(
            self._source,
            model,
            self._trust,
            now=max(self._now(), known.time),
            minimum_epoch=max(known.epoch, newest.version if newest else NO_MINIMUM, self._minimum_epoch(name)),
            state=self._folder.metadata,
        )
        if release.index.release.tenant != self._vault.tenant:
            raise ReleaseMismatch(f"the release is for tenant {release.index.release.tenant}, not for this device's")
        check_epoch_is_new(release, known.epoch, known.digest)
        if newest is not None:
            check_epoch_is_new(release, newest.version, newest.digest)
        believed = known.with_release(release)
        if believed != known:
            remember(self._vault, model, believed)
        here = newest if newest is not None and newest.digest == believed.digest else None
        return _Found(release, believed, here, newest)

    def _install(self, release: VerifiedRelease, progress: OnProgress | None) -> tuple[Artifact, int]:
        """Steps 4 to 7. The artifact, and how many bytes were fetched."""
        self._folder.drop_others(release)
        installing = Installing(
            vault=self._vault,
            release=release,
            download=self._folder.download(release),
            gate=self._gate(release),
            settings=self._settings,
            system=self._system,
            progress=progress,
        )
        try:
            with Flushing() as flushing:
                fetched = installing.fetch(self._source, flushing)
                return installing.take(self._key_source, flushing), fetched
        except ReleaseRevoked:
            self._folder.download(release).drop_all()
            raise

    def _settle(self, release: VerifiedRelease, known: Remembered, artifact: Artifact) -> tuple[Artifact, ...]:
        """What follows an installation, and may have been cut off after the last one."""
        if known.installed != artifact.digest:
            note_installed(self._vault, artifact, now=self._now(), boot_seconds=self._boot_seconds())
            remember(self._vault, release.index.release.model, replace(known, installed=artifact.digest))
        removed = older(self._vault, artifact, keep=self._settings.keep)
        if removed:
            self._vault.delete(*removed)
        self._folder.drop_downloads(release)
        return removed

    def _gate(self, release: VerifiedRelease) -> Gate:
        return Gate(self._permissions, draft(release, self._vault.epoch), self._system.monotonic)

    @contextmanager
    def _noting(self, model: str) -> Iterator[None]:
        """What was refused is in the audit chain before it is answered; what was only not reachable is not."""
        try:
            yield
        except SourceFailed:
            raise
        except (ReleaseError, UpdateFailed) as error:
            note_refused(self._vault, model, error, now=self._now(), boot_seconds=self._boot_seconds())
            raise

    def _boot_seconds(self) -> int:
        return int(self._clock.boot_seconds())


def _newest(vault: Vault, model: str) -> Artifact | None:
    try:
        return vault.find(model)
    except ArtifactUnknown:
        return None
