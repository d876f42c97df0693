"""What an owner decides about a key, written into requests."""

from datetime import timedelta
from typing import Literal, TypedDict

from hallmark.v1 import keys_pb2
from hallmark_client.model.attestation_gate import AttestationGate
from hallmark_client.model.enums import Algorithm, ExportPolicy, KeyPurpose, Sensitivity
from hallmark_client.model.keys import RotationPolicy, UsageLimits
from hallmark_client.wire.attestation_gate import gate_argument
from hallmark_client.wire.key_settings import limits_argument, rotation_argument
from hallmark_client.wire.scalars import enum_argument, number_of, span_argument


class _Common(TypedDict, total=False):
    rotation: RotationPolicy | None
    usage_limits: UsageLimits | None
    destroy_wait: timedelta | None
    export_policy: ExportPolicy | str | None
    sensitivity: Sensitivity | str | None


class Settings(_Common, total=False):
    """Of a new key. What is left out, or None, takes its default."""

    attestation_gate: AttestationGate | None


class UpdateSettings(_Common, total=False):
    """Of a key that is changed. What is left out, or None, stays."""

    attestation_gate: AttestationGate | Literal["remove"] | None


def put_kind(
    request: keys_pb2.CreateKeyRequest | keys_pb2.ImportKeyRequest,
    algorithm: Algorithm | str | None,
    purpose: KeyPurpose | str | None,
) -> None:
    """Write what is given into a request. Raises InvalidArgument."""
    if algorithm is not None:
        request.algorithm = number_of(enum_argument(Algorithm, algorithm, "algorithm"))
    if purpose is not None:
        request.purpose = number_of(enum_argument(KeyPurpose, purpose, "purpose"))


def put_settings(
    message: keys_pb2.CreateKeyRequest | keys_pb2.ImportKeyRequest | keys_pb2.Key,
    *,
    rotation: RotationPolicy | None = None,
    usage_limits: UsageLimits | None = None,
    destroy_wait: timedelta | None = None,
    export_policy: ExportPolicy | str | None = None,
    attestation_gate: AttestationGate | Literal["remove"] | None = None,
    sensitivity: Sensitivity | str | None = None,
) -> list[str]:
    """Write what is given into a request; gives the names of those fields. Raises InvalidArgument."""
    given = []
    if rotation is not None:
        message.rotation.CopyFrom(rotation_argument(rotation))
        given.append("rotation")
    if usage_limits is not None:
        message.usage_limits.CopyFrom(limits_argument(usage_limits))
        given.append("usage_limits")
    if destroy_wait is not None:
        message.destroy_wait.CopyFrom(span_argument(destroy_wait, "destroy_wait"))
        given.append("destroy_wait")
    if export_policy is not None:
        message.export_policy = number_of(enum_argument(ExportPolicy, export_policy, "export_policy"))
        given.append("export_policy")
    if attestation_gate is not None:
        given.append("attestation_gate")  # named and left out: removed
        if not isinstance(attestation_gate, str):
            message.attestation_gate.CopyFrom(gate_argument(attestation_gate))
    if sensitivity is not None:
        message.sensitivity = number_of(enum_argument(Sensitivity, sensitivity, "sensitivity"))
        given.append("sensitivity")
    return given
