"""Enums, times and durations on the wire."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import (
    appraisal_pb2,
    approvals_pb2,
    collateral_pb2,
    common_pb2,
    devices_pb2,
    keys_pb2,
    revocation_pb2,
)
from hallmark_client.errors import InvalidArgument
from hallmark_client.model import enums

Member = TypeVar("Member", bound=StrEnum)

# Enum of ours: its protobuf enum, and the prefix that protobuf style puts before each value.
_WIRE: Final[dict[type[StrEnum], tuple[Any, str]]] = {
    enums.Algorithm: (common_pb2.Algorithm, "ALGORITHM_"),
    enums.ProtectionLevel: (common_pb2.ProtectionLevel, "PROTECTION_LEVEL_"),
    enums.InitiatingEntity: (common_pb2.InitiatingEntity, "INITIATING_ENTITY_"),
    enums.Sensitivity: (common_pb2.Sensitivity, "SENSITIVITY_"),
    enums.KeyPurpose: (keys_pb2.KeyPurpose, "KEY_PURPOSE_"),
    enums.KeyOrigin: (keys_pb2.KeyOrigin, "KEY_ORIGIN_"),
    enums.SecurityLevel: (keys_pb2.SecurityLevel, "SECURITY_LEVEL_"),
    enums.ExportPolicy: (keys_pb2.ExportPolicy, "EXPORT_POLICY_"),
    enums.KeyVersionAction: (keys_pb2.KeyVersionAction, "KEY_VERSION_ACTION_"),
    enums.KeyVersionState: (keys_pb2.KeyVersionState, "KEY_VERSION_STATE_"),
    enums.ProposedAct: (approvals_pb2.ProposedAct, "PROPOSED_ACT_"),
    enums.ProposalState: (approvals_pb2.ProposalState, "PROPOSAL_STATE_"),
    enums.PolicyForm: (appraisal_pb2.PolicyForm, "POLICY_FORM_"),
    enums.PolicyState: (appraisal_pb2.PolicyState, "POLICY_STATE_"),
    enums.CollateralKind: (collateral_pb2.CollateralKind, "COLLATERAL_KIND_"),
    enums.CollateralState: (collateral_pb2.CollateralState, "COLLATERAL_STATE_"),
    enums.DeviceState: (devices_pb2.DeviceState, "DEVICE_STATE_"),
    enums.EvidenceFormat: (devices_pb2.EvidenceFormat, "EVIDENCE_FORMAT_"),
    enums.ChallengePurpose: (devices_pb2.ChallengePurpose, "CHALLENGE_PURPOSE_"),
    enums.DeviceClass: (devices_pb2.DeviceClass, "DEVICE_CLASS_"),
    enums.AssuranceLevel: (revocation_pb2.AssuranceLevel, "ASSURANCE_LEVEL_"),
    enums.RevocationReason: (revocation_pb2.RevocationReason, "REVOCATION_REASON_"),
}

_LOG_WAIT: Final = {"committed": common_pb2.LOG_WAIT_COMMITTED, "published": common_pb2.LOG_WAIT_PUBLISHED}


def member_of(kind: type[Member], number: int) -> Member:
    """UNKNOWN for unspecified and for values of a newer server."""
    wire, prefix = _WIRE[kind]
    if number not in wire.values():
        return kind["UNKNOWN"]
    name = wire.Name(number).removeprefix(prefix)
    return kind[name] if name in kind.__members__ else kind["UNKNOWN"]


def number_of(member: StrEnum) -> Any:
    """The number on the wire. 0 (unspecified) for UNKNOWN."""
    wire, prefix = _WIRE[type(member)]
    return 0 if member.name == "UNKNOWN" else wire.Value(prefix + member.name)


def enum_argument(kind: type[Member], value: str, name: str) -> Member:
    """A member from what a caller gave: a member, its value, or its value without a leading `id-`, any case.

    Raises InvalidArgument that lists the choices.
    """
    for member in kind:
        if member.name != "UNKNOWN" and value.upper() in {
            member.value.upper(),
            member.value.removeprefix("id-").upper(),
        }:
            return member
    choices = ", ".join(member.value for member in kind if member.name != "UNKNOWN")
    raise InvalidArgument("FIELD_INVALID", f"{name} {value!r} is not one of: {choices}")


def log_wait_argument(wait: str) -> Any:
    """LogWait on the wire. Raises InvalidArgument."""
    if wait not in _LOG_WAIT:
        raise InvalidArgument("FIELD_INVALID", f'wait is "committed" or "published", not {wait!r}')
    return _LOG_WAIT[wait]


def moment(time: Timestamp) -> datetime:
    """UTC, microseconds."""
    return time.ToDatetime(tzinfo=UTC)


def moment_or_none(message: Message, field: str) -> datetime | None:
    """A time that may be absent."""
    return moment(getattr(message, field)) if message.HasField(field) else None


def span(duration: Duration) -> timedelta:
    """Microseconds; finer parts are cut off."""
    return duration.ToTimedelta()


def span_argument(value: timedelta, name: str) -> Duration:
    """Raises InvalidArgument for what is no length of time the wire can hold."""
    wire = Duration()
    try:
        wire.FromTimedelta(value)
    except (ValueError, OverflowError):
        raise InvalidArgument("FIELD_INVALID", f"{name} is too long") from None
    return wire


def timestamp_argument(value: datetime, name: str) -> Timestamp:
    """Raises InvalidArgument for a datetime without a zone: whose clock would that be?"""
    if value.tzinfo is None:
        raise InvalidArgument("FIELD_INVALID", f"{name} needs a time zone, for example datetime.now(UTC)")
    wire = Timestamp()
    wire.FromDatetime(value)
    return wire
