"""What an update of the fake's keys loosens, and what has to be approved of it."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message

from hallmark.v1 import approvals_pb2, keys_pb2
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.gate_rules import is_loosened
from hallmark_client.testing.keys import SYSTEM

_NEVER = datetime.max.replace(tzinfo=UTC)


def gated_update(before: keys_pb2.Key, after: keys_pb2.Key) -> tuple[Any, bytes] | None:
    """The act to be approved and its parameters_sha256; None: nobody is ever asked about this."""
    if _settings(before) == _settings(after):
        return None
    own = before.name.startswith(f"{SYSTEM}/")
    if not own and not _loosened(before, after):
        return None
    act = approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE if own else approvals_pb2.PROPOSED_ACT_POLICY_CHANGE
    return act, hashlib.sha256(b"hallmark/key-settings/v1\n" + _settings(after)).digest()


def rehearsal_of(
    before: keys_pb2.Key, after: keys_pb2.Key, change: tuple[Any, bytes] | None, approvals: FakeApprovals
) -> keys_pb2.UpdateKeyResponse:
    answer = keys_pb2.UpdateKeyResponse(key=after, loosened=_loosened(before, after))
    if change is not None:
        answer.parameters_sha256 = change[1]
        answer.approvals_needed = approvals.needed(change[0])
    return answer


def _settings(key: keys_pb2.Key) -> bytes:
    kept = keys_pb2.Key(
        destroy_wait=key.destroy_wait,
        usage_limits=key.usage_limits,
        export_policy=key.export_policy,
        sensitivity=key.sensitivity,
    )
    kept.rotation.CopyFrom(key.rotation)
    kept.rotation.ClearField("next_rotation_time")
    if key.HasField("attestation_gate"):
        kept.attestation_gate.CopyFrom(key.attestation_gate)
    return kept.SerializeToString(deterministic=True)


def _loosened(before: keys_pb2.Key, after: keys_pb2.Key) -> list[str]:
    old, new = _measures(before), _measures(after)
    looser = [name for name in old if new[name] > old[name]]
    return [*looser, "attestation_gate"] if is_loosened(before, after) else looser


def _measures(key: keys_pb2.Key) -> dict[str, Any]:
    """Of each setting how much it allows: more is looser."""
    limits, rotation = key.usage_limits, key.rotation
    return {
        "rotation.period": _span(rotation, "period"),
        "rotation.publish_lead": -rotation.publish_lead.ToTimedelta(),
        "rotation.verify_tail": _span(rotation, "verify_tail"),
        "usage_limits.per_second": limits.per_second or float("inf"),
        "usage_limits.total": limits.total or float("inf"),
        "usage_limits.not_after": limits.not_after.ToDatetime(tzinfo=UTC) if limits.HasField("not_after") else _NEVER,
        "destroy_wait": -key.destroy_wait.ToTimedelta(),
        "sensitivity": -key.sensitivity,
    }


def _span(message: Message, field: str) -> timedelta:
    return getattr(message, field).ToTimedelta() if message.HasField(field) else timedelta.max
