"""One release on its way into the vault: fetched, opened in memory, compared, and then there at once."""

from collections.abc import Callable
from typing import Final

from hallmark_client.device.life.fates import MODEL_LABEL
from hallmark_client.device.model import Artifact, ArtifactState
from hallmark_client.device.updates.downloads import Download
from hallmark_client.device.updates.errors import (
    ContentKeyInvalid,
    ContentKeyRefused,
    ReleaseRevoked,
    ReleaseSuspended,
    UpdateFailed,
)
from hallmark_client.device.updates.fetching import Fetching, runs
from hallmark_client.device.updates.gate import Gate
from hallmark_client.device.updates.model import KeySource, OnProgress, Progress, Stage, UpdateSettings
from hallmark_client.device.updates.opening import check_parts
from hallmark_client.device.vault import AdoptedPart, Vault
from hallmark_client.errors import EnvelopeInvalid, FailedPrecondition, NotFound, PermissionDenied, VerificationFailed
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.system import System
from hallmark_release.lanes import Flushing
from hallmark_release.parts import CONTENT_KEY_BYTES
from hallmark_release.source import ReleaseSource
from hallmark_release.verify import VerifiedRelease

VERSION_LABEL: Final = "version"
_GONE: Final = frozenset({"ARTIFACT_REVOKED", "ARTIFACT_SUPERSEDED", "DEVICE_REVOKED"})
_NO_ID: Final = "0" * 32


class Installing:
    def __init__(
        self,
        *,
        vault: Vault,
        release: VerifiedRelease,
        download: Download,
        gate: Gate,
        settings: UpdateSettings,
        system: System,
        progress: OnProgress | None,
    ) -> None:
        self._vault, self._release, self._download = vault, release, download
        self._gate, self._settings, self._system, self._progress = gate, settings, system, progress

    def fetch(self, source: ReleaseSource, flushing: Flushing) -> int:
        """Every part is here, whole and encrypted. Returns the bytes that were fetched for that."""
        self._gate.ask()
        missing = [run for part in self._release.index.parts for run in runs(part, self._download.missing(part))]
        needed = sum(run.size for run in missing)
        self._download.check_room(needed)
        fetching = Fetching(
            source,
            self._download,
            gate=self._gate,
            settings=self._settings,
            system=self._system,
            flushing=flushing,
            arrived=self._counting(Stage.FETCHING, needed),
        )
        fetching.fetch(missing)
        return needed

    def take(self, key_source: KeySource, flushing: Flushing) -> Artifact:
        """Opened, compared with what was signed, and taken into the vault: all of it or nothing."""
        self._gate.ask()
        key = self._key(key_source)
        index = self._release.index
        count = self._counting(Stage.CHECKING, index.encrypted_size)

        def opened(size: int) -> None:
            self._gate.check()
            count(size)

        try:
            check_parts(self._download, self._release, key, opened)
            flushing.finish()
            self._gate.ask()
            wanted = draft(self._release, self._vault.epoch)
            return self._vault.adopt(
                [self._adopted(place) for place in range(len(index.parts))],
                key,
                name=wanted.name,
                kind=wanted.kind,
                version=wanted.version,
                digest=wanted.digest,
                needs_permission=self._settings.needs_permission,
                labels=wanted.labels,
            )
        finally:
            key[:] = bytes(len(key))

    def _key(self, key_source: KeySource) -> bytearray:
        release = self._release
        try:
            key = key_source(release.artifact, epoch=release.index.release.epoch)
        except (FailedPrecondition, PermissionDenied, NotFound) as error:
            raise _refused(error.reason, error.message) from error
        except (VerificationFailed, EnvelopeInvalid) as error:
            raise ContentKeyInvalid("CONTENT_KEY_INVALID", error.message) from error
        if len(key) != CONTENT_KEY_BYTES:
            key[:] = bytes(len(key))
            raise ContentKeyInvalid("CONTENT_KEY_INVALID", f"a content key has {CONTENT_KEY_BYTES} bytes")
        return key

    def _adopted(self, place: int) -> AdoptedPart:
        part = self._release.index.parts[place]
        return AdoptedPart(
            file=self._download.path(part),
            path=part.path,
            size=part.size,
            sha256=part.sha256,
            blob=part.name,
            context=self._release.index.context(part),
        )

    def _counting(self, stage: Stage, total: int) -> Callable[[int], None]:
        done = 0

        def count(size: int) -> None:
            nonlocal done
            done += size
            if self._progress is not None:
                self._progress(Progress(stage=stage, done=done, total=total))

        return count


def draft(release: VerifiedRelease, epoch: int) -> Artifact:
    """As it would be in the vault: what permissions are asked about. epoch: of the vault."""
    told = release.index.release
    return Artifact(
        artifact_id=_NO_ID,
        name=told.model,
        kind=ArtifactKind.__members__.get(release.index.kind.replace("-", "_").upper(), ArtifactKind.UNKNOWN),
        version=told.epoch,
        tenant=told.tenant,
        digest=release.statement.sha256.hex(),
        size=release.index.size,
        epoch=epoch,
        state=ArtifactState.AVAILABLE,
        needs_permission=False,
        created_at=release.log.time,
        labels={MODEL_LABEL: f"tenants/{told.tenant}/models/{told.model}", VERSION_LABEL: told.version},
    )


def older(vault: Vault, artifact: Artifact, *, keep: int) -> tuple[Artifact, ...]:
    """Versions below `artifact` that are not among the newest `keep`."""
    below = [each for each in vault.artifacts() if each.name == artifact.name and each.version < artifact.version]
    return tuple(sorted(below, key=lambda each: each.version, reverse=True)[keep - 1 :])


def _refused(reason: str, message: str) -> UpdateFailed:
    if reason in _GONE:
        return ReleaseRevoked("RELEASE_REVOKED", message, metadata={"why": reason})
    if reason == "ARTIFACT_SUSPENDED":
        return ReleaseSuspended("RELEASE_SUSPENDED", message, metadata={"why": reason})
    return ContentKeyRefused(reason, message)
