"""What an UpdateKey request changes: update_mask decides, fields outside it are not looked at (AIP-134)."""

from typing import Final

from hallmark.v1 import keys_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.keys import settings_wire
from kms.keys.gate_wire import gate_from_wire
from kms.keys.key_update import GateChange, KeyUpdate
from kms.keys.policies import DESTROY_WAIT_DEFAULT
from kms.keys.service import UpdateRehearsal
from kms.keys.wire import key_to_wire, labels_from_wire

PATHS: Final = (
    "labels",
    "rotation",
    "usage_limits",
    "destroy_wait",
    "export_policy",
    "attestation_gate",
    "sensitivity",
)


def update_from_wire(request: keys_pb2.UpdateKeyRequest) -> KeyUpdate:
    """A field that the mask names and the key leaves out goes back to its default. Raises InvalidArgument."""
    mask, key = frozenset(request.update_mask.paths), request.key
    if not mask or not mask <= frozenset(PATHS):
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"update_mask must name some of {', '.join(PATHS)}", field="update_mask"
        )
    wait = None
    if "destroy_wait" in mask:
        given = key.HasField("destroy_wait")
        wait = settings_wire.span_from_wire(key.destroy_wait, "destroy_wait") if given else DESTROY_WAIT_DEFAULT
    return KeyUpdate(
        labels=labels_from_wire(key.labels) if "labels" in mask else None,
        rotation=settings_wire.rotation_from_wire(key.rotation) if "rotation" in mask else None,
        usage_limits=settings_wire.limits_from_wire(key.usage_limits) if "usage_limits" in mask else None,
        destroy_wait=wait,
        export_policy=settings_wire.export_policy_from_wire(key.export_policy) if "export_policy" in mask else None,
        attestation_gate=GateChange(gate_from_wire(key)) if "attestation_gate" in mask else None,
        sensitivity=settings_wire.sensitivity_from_wire(key.sensitivity) if "sensitivity" in mask else None,
    )


def rehearsal_to_wire(rehearsal: UpdateRehearsal) -> keys_pb2.UpdateKeyResponse:
    return keys_pb2.UpdateKeyResponse(
        key=key_to_wire(rehearsal.key),
        loosened=rehearsal.loosened,
        parameters_sha256=rehearsal.parameters_sha256,
        approvals_needed=rehearsal.approvals_needed,
    )
