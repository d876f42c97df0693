"""What shall become of an artifact in the vault, by what the service has told. Pure.

1. a command to delete it, a newer minimum epoch of its model, or a lease that ended with "shred": DELETE
2. the service suspended or withdrew it: SUSPEND, in the vault itself, so that it holds without these files too
3. time alone (silence, a clock that was set back, a lease not begun): KEEP; the permission is denied at each use
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hallmark_client.device.model import Artifact
from hallmark_client.watch.decisions import Use
from hallmark_client.watch.snapshot import WatchSnapshot
from hallmark_events.lease import Shred, Suspended, Why
from hallmark_events.types import ARTIFACT_SUPERSEDED, DELETION_REQUESTED, StatusValue

from .model import Command

MODEL_LABEL: Final = "model"
"""Label of an artifact that is of a release: its model, tenants/{tenant}/models/{model}; its version is the epoch."""
_TOLD: Final = frozenset({Why.WITHDRAWN, Why.SUSPENDED})
_SERVICE_KEYS: Final = "tenants/system/keys/"


class Fate(Enum):
    KEEP = "keep"
    SUSPEND = "suspend"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the feeds say beside leases. minimums: by model, the smallest epoch that may be used. blocked: why nothing
    may be used at all; empty otherwise. doomed: subjects under a command.
    """

    minimums: Mapping[str, int] = field(default_factory=dict)
    blocked: str = ""
    doomed: AbstractSet[str] = frozenset()

    def is_superseded(self, artifact: Artifact) -> bool:
        return artifact.version < self.minimums.get(artifact.labels.get(MODEL_LABEL, ""), 0)


def told_by(snapshot: WatchSnapshot, *, device: str, doomed: AbstractSet[str]) -> Told:
    """device: full name of this one."""
    minimums = {}
    blocked = ""
    for one in snapshot.subjects:
        minimum = one.own.get("min_version")
        if one.uri == ARTIFACT_SUPERSEDED and isinstance(minimum, int):
            minimums[one.subject] = minimum
        if one.status is not StatusValue.INVALID:
            continue
        if one.subject == device:
            blocked = "DEVICE_REVOKED"
        elif one.subject.startswith(_SERVICE_KEYS) and one.own.get("reason") == "KEY_COMPROMISE":
            blocked = blocked or "SERVICE_KEY_COMPROMISED"
    return Told(minimums=minimums, blocked=blocked, doomed=doomed)


def fate_of(artifact: Artifact, use: Use, told: Told) -> Fate:
    if artifact.subject in told.doomed or told.is_superseded(artifact):
        return Fate.DELETE
    match use.decision:
        case Shred():
            return Fate.DELETE
        case Suspended(why) if why in _TOLD:
            return Fate.SUSPEND
        case _:
            return Fate.KEEP


def commands_in(snapshot: WatchSnapshot) -> list[Command]:
    """Commands that stand, for a device whose own list of them was lost."""
    return [
        Command(subject=one.subject, jti=one.jti, own=one.own)
        for one in snapshot.subjects
        if one.uri == DELETION_REQUESTED
        and one.status is StatusValue.VALID
        and {"removal", "artifact", "consent", "nonce", "method", "revision"} <= one.own.keys()
    ]
