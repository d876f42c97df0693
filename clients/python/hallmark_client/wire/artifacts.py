"""Artifacts from the wire."""

from typing import Final

from hallmark.v1 import artifacts_pb2
from hallmark_client.model.artifacts import ArtifactChange, ArtifactState, ArtifactStatus
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import moment

_STATES: Final = {
    artifacts_pb2.ARTIFACT_STATE_VALID: ArtifactState.VALID,
    artifacts_pb2.ARTIFACT_STATE_REVOKED: ArtifactState.REVOKED,
    artifacts_pb2.ARTIFACT_STATE_SUSPENDED: ArtifactState.SUSPENDED,
}


def status_of(wire: artifacts_pb2.ArtifactStatus) -> ArtifactStatus:
    """A state of a newer server is UNKNOWN."""
    return ArtifactStatus(
        name=wire.name,
        state=_STATES.get(wire.state, ArtifactState.UNKNOWN),
        minimum_version=wire.minimum_version,
        revision=wire.revision,
        update_time=moment(wire.update_time),
    )


def change_of(wire: artifacts_pb2.ArtifactStatusResponse) -> ArtifactChange:
    return ArtifactChange(status=status_of(wire.status), log=promise_of(wire.log), replayed=wire.replayed)
