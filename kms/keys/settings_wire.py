"""A key's settings on the wire: rotation, limits, waiting period, export policy, attestation gate, sensitivity."""

from datetime import UTC, datetime, timedelta

from google.protobuf import duration_pb2, timestamp_pb2

from hallmark.v1 import common_pb2, keys_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.core.resources import Sensitivity
from kms.keys.gate_wire import gate_from_wire, gate_to_wire
from kms.keys.model import Key
from kms.keys.policies import (
    DESTROY_WAIT_DEFAULT,
    ExportPolicy,
    KeySettings,
    RotationPolicy,
    UsageLimits,
)

_EXPORT = {
    ExportPolicy.NEVER: keys_pb2.EXPORT_POLICY_NEVER,
    ExportPolicy.WRAPPED: keys_pb2.EXPORT_POLICY_WRAPPED,
}
_SENSITIVITY: dict[Sensitivity, common_pb2.Sensitivity] = {
    level: getattr(common_pb2, f"SENSITIVITY_{level.name}") for level in Sensitivity
}
_SENSITIVITIES = {number: level for level, number in _SENSITIVITY.items()}


def settings_from_wire(message: keys_pb2.CreateKeyRequest | keys_pb2.ImportKeyRequest | keys_pb2.Key) -> KeySettings:
    """Raises InvalidArgument that names the field."""
    wait = span_from_wire(message.destroy_wait, "destroy_wait") if message.HasField("destroy_wait") else None
    return KeySettings(
        rotation=rotation_from_wire(message.rotation),
        usage_limits=limits_from_wire(message.usage_limits),
        destroy_wait=DESTROY_WAIT_DEFAULT if wait is None else wait,
        export_policy=export_policy_from_wire(message.export_policy),
        attestation_gate=gate_from_wire(message),
        sensitivity=sensitivity_from_wire(message.sensitivity),
    )


def rotation_from_wire(message: keys_pb2.RotationPolicy) -> RotationPolicy:
    period, lead, tail = (
        span_from_wire(getattr(message, field), f"rotation.{field}") if message.HasField(field) else None
        for field in ("period", "publish_lead", "verify_tail")
    )
    return RotationPolicy(period=period, publish_lead=lead or timedelta(0), verify_tail=tail)


def limits_from_wire(message: keys_pb2.UsageLimits) -> UsageLimits:
    end = moment_from_wire(message.not_after, "usage_limits.not_after") if message.HasField("not_after") else None
    return UsageLimits(per_second=message.per_second or None, total=message.total or None, not_after=end)


def export_policy_from_wire(number: keys_pb2.ExportPolicy) -> ExportPolicy:
    match number:
        case keys_pb2.EXPORT_POLICY_UNSPECIFIED | keys_pb2.EXPORT_POLICY_NEVER:
            return ExportPolicy.NEVER
        case keys_pb2.EXPORT_POLICY_WRAPPED:
            return ExportPolicy.WRAPPED
        case _:
            raise InvalidArgument(Reason.FIELD_INVALID, "export_policy must be NEVER or WRAPPED", field="export_policy")


def sensitivity_from_wire(number: common_pb2.Sensitivity) -> Sensitivity:
    if number == common_pb2.SENSITIVITY_UNSPECIFIED:
        return Sensitivity.STANDARD
    if number not in _SENSITIVITIES:
        raise InvalidArgument(
            Reason.FIELD_INVALID, "sensitivity must be LOW, STANDARD, HIGH or MAXIMUM", field="sensitivity"
        )
    return _SENSITIVITIES[number]


def add_settings(message: keys_pb2.Key, key: Key) -> None:
    """Writes a key's settings into its message."""
    settings = key.settings
    rotation, limits = settings.rotation, settings.usage_limits
    message.rotation.publish_lead.FromTimedelta(rotation.publish_lead)
    if rotation.period is not None:
        message.rotation.period.FromTimedelta(rotation.period)
    if rotation.verify_tail is not None:
        message.rotation.verify_tail.FromTimedelta(rotation.verify_tail)
    if key.next_rotation_time is not None:
        message.rotation.next_rotation_time.FromDatetime(key.next_rotation_time)
    message.usage_limits.per_second = limits.per_second or 0
    message.usage_limits.total = limits.total or 0
    if limits.not_after is not None:
        message.usage_limits.not_after.FromDatetime(limits.not_after)
    message.destroy_wait.FromTimedelta(settings.destroy_wait)
    message.export_policy = _EXPORT[settings.export_policy]
    message.sensitivity = _SENSITIVITY[settings.sensitivity]
    if settings.attestation_gate is not None:
        message.attestation_gate.CopyFrom(gate_to_wire(settings.attestation_gate))


def span_from_wire(message: duration_pb2.Duration, field: str) -> timedelta:
    """Whole seconds. Raises InvalidArgument."""
    try:
        span = message.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"{field} is not a valid google.protobuf.Duration", field=field
        ) from None
    if message.nanos:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must be a whole number of seconds", field=field)
    return span


def moment_from_wire(message: timestamp_pb2.Timestamp, field: str) -> datetime:
    """Raises InvalidArgument."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"{field} is not a valid google.protobuf.Timestamp", field=field
        ) from None
