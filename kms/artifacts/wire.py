"""Artifacts on the wire: model <-> protobuf."""

from hallmark.v1 import artifacts_pb2
from kms.artifacts.model import ArtifactStatus
from kms.core.errors import InvalidArgument, Reason
from kms.events.model import Status

_STATES: dict[artifacts_pb2.ArtifactState, Status] = {
    artifacts_pb2.ARTIFACT_STATE_VALID: Status.VALID,
    artifacts_pb2.ARTIFACT_STATE_REVOKED: Status.INVALID,
    artifacts_pb2.ARTIFACT_STATE_SUSPENDED: Status.SUSPENDED,
}
_STATE_NUMBERS = {state: number for number, state in _STATES.items()}


def state_from_wire(number: artifacts_pb2.ArtifactState) -> Status:
    """Raises InvalidArgument."""
    if number not in _STATES:
        raise InvalidArgument(Reason.FIELD_INVALID, "state must be VALID or SUSPENDED", field="state")
    return _STATES[number]


def status_to_wire(status: ArtifactStatus) -> artifacts_pb2.ArtifactStatus:
    message = artifacts_pb2.ArtifactStatus(
        name=str(status.name),
        state=_STATE_NUMBERS[status.state],
        minimum_version=status.minimum_version,
        revision=status.revision,
    )
    message.update_time.FromDatetime(status.update_time)
    return message
