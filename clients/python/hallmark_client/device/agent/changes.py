"""What may be used now, looked at once for all who watch."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hallmark_client.device.agent.sight import Sight
from hallmark_client.device.agent.values import PermissionChange, Standing
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown
from hallmark_client.device.model import Artifact
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.vault import Vault

LOOK_SECONDS: Final = 0.5
"""How old what is told may be."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Of the whole vault, at one moment: compare by identity. whys: by artifact id; "" where it may be used."""

    artifacts: tuple[Artifact, ...]
    whys: Mapping[str, str]
    policy: VaultPolicy


class Changes:
    """Any thread. Works only while somebody asks."""

    def __init__(self, vault: Vault, monotonic: Callable[[], float]) -> None:
        self._vault = vault
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked = -LOOK_SECONDS
        self._look: Look | None = None

    def look(self) -> Look:
        """The same object as long as nothing has changed."""
        with self._lock:
            now = self._monotonic()
            if self._look is None or now - self._looked >= LOOK_SECONDS:
                self._look, self._looked = self._fresh(self._look), now
            return self._look

    def _fresh(self, before: Look | None) -> Look:
        artifacts = self._vault.artifacts()
        whys = {artifact.artifact_id: self._why(artifact) for artifact in artifacts}
        policy = self._vault.policy
        if before and (before.artifacts, before.whys, before.policy) == (artifacts, whys, policy):
            return before
        return Look(artifacts, whys, policy)

    def _why(self, artifact: Artifact) -> str:
        try:
            self._vault.check_usable(artifact)
        except ArtifactSuspended as error:
            return error.metadata.get("why") or "suspended"
        except ArtifactUnknown:
            return "unknown"
        return ""


def standings(look: Look, sight: Sight) -> dict[str, PermissionChange]:
    """What an application sees of it, by artifact id."""
    found: dict[str, PermissionChange] = {}
    for artifact in look.artifacts:
        try:
            seen = sight.sees(artifact)
        except ArtifactUnknown:  # deleted since: the next look has it
            continue
        if seen:
            why = look.whys[artifact.artifact_id]
            standing = Standing.SUSPENDED if why else Standing.AVAILABLE
            found[artifact.artifact_id] = PermissionChange(
                artifact_id=artifact.artifact_id,
                name=artifact.name,
                version=artifact.version,
                standing=standing,
                why=why,
            )
    return found


def differences(
    before: Mapping[str, PermissionChange], now: Mapping[str, PermissionChange]
) -> tuple[PermissionChange, ...]:
    """What leads from one to the other; what is not there any more is GONE."""
    gone = (
        PermissionChange(artifact_id=each.artifact_id, name=each.name, version=each.version, standing=Standing.GONE)
        for each in before.values()
        if each.artifact_id not in now
    )
    return (*gone, *(each for each in now.values() if before.get(each.artifact_id) != each))
