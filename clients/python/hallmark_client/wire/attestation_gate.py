"""Attestation gates from and to the wire."""

from hallmark.v1 import keys_pb2
from hallmark_client.model.attestation_gate import AttestationGate
from hallmark_client.model.enums import DeviceClass, EvidenceFormat, SecurityLevel
from hallmark_client.wire.scalars import enum_argument, member_of, number_of, span, span_argument


def gate_of(wire: keys_pb2.AttestationGate) -> AttestationGate:
    level = None if not wire.minimum_level else member_of(SecurityLevel, wire.minimum_level)
    return AttestationGate(
        formats=tuple(member_of(EvidenceFormat, number) for number in wire.formats),
        minimum_level=level,
        device_classes=tuple(member_of(DeviceClass, number) for number in wire.device_classes),
        measurements={name: tuple(allowed.digests) for name, allowed in sorted(wire.measurements.items())},
        max_verdict_age=span(wire.max_verdict_age),
        device_callers=wire.device_callers,
    )


def gate_argument(gate: AttestationGate) -> keys_pb2.AttestationGate:
    """Raises InvalidArgument."""
    wire = keys_pb2.AttestationGate(
        formats=[number_of(enum_argument(EvidenceFormat, each, "formats")) for each in gate.formats],
        device_classes=[number_of(enum_argument(DeviceClass, each, "device_classes")) for each in gate.device_classes],
        max_verdict_age=span_argument(gate.max_verdict_age, "max_verdict_age"),
        device_callers=gate.device_callers,
    )
    if gate.minimum_level is not None:
        wire.minimum_level = number_of(enum_argument(SecurityLevel, gate.minimum_level, "minimum_level"))
    for name, digests in gate.measurements.items():
        wire.measurements[name].digests.extend(digests)
    return wire
