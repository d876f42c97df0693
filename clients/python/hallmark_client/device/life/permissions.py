"""What a vault asks before it gives anything: may this be used now?"""

from collections.abc import Callable
from typing import assert_never

from hallmark_client.device.errors import ArtifactSuspended
from hallmark_client.device.model import Artifact
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_events.lease import Allowed, Shred, Suspended

from .fates import Told

_SENTENCES = {
    "withdrawn": "the permission for it was withdrawn",
    "expired": "its lease is over",
    "suspended": "the service has suspended it",
    "not yet": "its lease has not begun",
    "silent": "for too long nobody has said that its lease still holds: go online",
    "clock unknown": "the clock is behind a time that is known to be past: go online",
    "clock late": "by this device's clock its lease is over: go online",
    "deleting": "it is to be deleted",
    "superseded": "its model has a newer minimum epoch",
    "not granted": "there is no lease for it on this device",
}


class LeasePermissions:
    """`Permissions` of a vault by leases and revocations. Made of memory alone: asked at every use."""

    def __init__(
        self, decision: Callable[[str], Use], told: Callable[[], Told], *, on_shred: Callable[[], None]
    ) -> None:
        """decision: of a subject by full name. told: what else the feeds say. on_shred: somebody deletes it soon."""
        self._decision = decision
        self._told = told
        self._on_shred = on_shred

    def check(self, artifact: Artifact) -> None:
        """Raises ArtifactSuspended; metadata["why"] is one of hallmark_events.lease.Why, or deleting, superseded,
        not granted, DEVICE_REVOKED, SERVICE_KEY_COMPROMISED.
        """
        told = self._told()
        if told.blocked:
            raise _refused(artifact, told.blocked, "nothing on this device may be used")
        if artifact.subject in told.doomed:
            raise _refused(artifact, "deleting")
        if told.is_superseded(artifact):
            raise _refused(artifact, "superseded")
        match self._decision(artifact.subject).decision:
            case Allowed():
                return
            case Suspended(why):
                raise _refused(artifact, why.value)
            case Shred(why):
                self._on_shred()
                raise _refused(artifact, why.value)
            case NotGranted():
                if artifact.needs_permission:
                    raise _refused(artifact, "not granted")
            case decision:
                assert_never(decision)


def _refused(artifact: Artifact, why: str, sentence: str = "") -> ArtifactSuspended:
    text = f"{artifact.name} may not be used now: {sentence or _SENTENCES[why]}"
    return ArtifactSuspended("ARTIFACT_SUSPENDED", text, metadata={"why": why})
