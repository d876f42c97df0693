"""Attestation gates on the wire."""

from datetime import timedelta
from typing import Any, Final

from attestation.claims import SecurityLevel
from attestation.model import Format
from hallmark.v1 import devices_pb2, keys_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.keys.attestation_gate import AGE_DEFAULT, BY_HARDWARE, AllowedMeasurement, AttestationGate, DeviceClass

_FORMATS: Final[dict[Any, Format]] = {
    devices_pb2.EvidenceFormat.Value(f"EVIDENCE_FORMAT_{each.name}"): each for each in Format
}
_CLASSES: Final[dict[Any, DeviceClass]] = {
    devices_pb2.DeviceClass.Value(f"DEVICE_CLASS_{each.name}"): each for each in DeviceClass
}
_LEVELS: Final[dict[Any, SecurityLevel]] = {
    keys_pb2.SecurityLevel.Value(f"SECURITY_LEVEL_{each.name}"): each for each in SecurityLevel
}
_FORMAT_NUMBERS: Final[dict[Format, Any]] = {each: number for number, each in _FORMATS.items()}
_CLASS_NUMBERS: Final[dict[DeviceClass, Any]] = {each: number for number, each in _CLASSES.items()}
_LEVEL_NUMBERS: Final[dict[SecurityLevel, Any]] = {each: number for number, each in _LEVELS.items()}


def gate_from_wire(
    message: keys_pb2.CreateKeyRequest | keys_pb2.ImportKeyRequest | keys_pb2.Key,
) -> AttestationGate | None:
    """Raises InvalidArgument that names the field."""
    if not message.HasField("attestation_gate"):
        return None
    given = message.attestation_gate
    if any(number not in _FORMATS for number in given.formats):
        raise _unknown("formats")
    if any(number not in _CLASSES for number in given.device_classes):
        raise _unknown("device_classes")
    if given.minimum_level and given.minimum_level not in _LEVELS:
        raise _unknown("minimum_level")
    return AttestationGate(
        formats=frozenset(_FORMATS[number] for number in given.formats),
        minimum_level=_LEVELS.get(given.minimum_level),
        device_classes=frozenset(_CLASSES[number] for number in given.device_classes) or BY_HARDWARE,
        measurements=tuple(
            AllowedMeasurement(name, frozenset(allowed.digests)) for name, allowed in sorted(given.measurements.items())
        ),
        max_verdict_age=_age(given),
        device_callers=given.device_callers,
    )


def gate_to_wire(gate: AttestationGate) -> keys_pb2.AttestationGate:
    message = keys_pb2.AttestationGate(
        formats=sorted(_FORMAT_NUMBERS[each] for each in gate.formats),
        minimum_level=keys_pb2.SECURITY_LEVEL_UNSPECIFIED
        if gate.minimum_level is None
        else _LEVEL_NUMBERS[gate.minimum_level],
        device_classes=sorted(_CLASS_NUMBERS[each] for each in gate.device_classes),
        device_callers=gate.device_callers,
    )
    for allowed in gate.measurements:
        message.measurements[allowed.name].digests.extend(sorted(allowed.digests))
    message.max_verdict_age.FromTimedelta(gate.max_verdict_age)
    return message


def _age(given: keys_pb2.AttestationGate) -> timedelta:
    if not given.HasField("max_verdict_age"):
        return AGE_DEFAULT
    try:
        return given.max_verdict_age.ToTimedelta()
    except (ValueError, OverflowError):
        field = "attestation_gate.max_verdict_age"
        sentence = f"{field} is not a valid google.protobuf.Duration"
        raise InvalidArgument(Reason.FIELD_INVALID, sentence, field=field) from None


def _unknown(field: str) -> InvalidArgument:
    return InvalidArgument(
        Reason.FIELD_INVALID, f"{field} has one that this server does not know", field=f"attestation_gate.{field}"
    )
