"""What UpdateKey makes of a key, as a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kms.core.errors import FailedPrecondition, Reason
from kms.core.resources import Sensitivity
from kms.keys.attestation_gate import AttestationGate
from kms.keys.lifecycle import rescheduled
from kms.keys.model import Key
from kms.keys.policies import ExportPolicy, KeySettings, RotationPolicy, UsageLimits


@dataclass(frozen=True, slots=True)
class GateChange:
    """None removes the attestation gate."""

    gate: AttestationGate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUpdate:
    """What is to change; None leaves it as it is."""

    labels: Mapping[str, str] | None = None
    rotation: RotationPolicy | None = None
    usage_limits: UsageLimits | None = None
    destroy_wait: timedelta | None = None
    export_policy: ExportPolicy | None = None
    attestation_gate: GateChange | None = None
    sensitivity: Sensitivity | None = None

    def applied_to(self, key: Key, now: datetime) -> Key:
        """Raises FailedPrecondition (EXPORT_FORBIDDEN, PURPOSE_MISMATCH)."""
        old = key.settings
        if key.purpose.is_own and self.attestation_gate is not None:
            raise _own_without_gate(key)
        settings = KeySettings(
            rotation=old.rotation if self.rotation is None else self.rotation,
            usage_limits=old.usage_limits if self.usage_limits is None else self.usage_limits,
            destroy_wait=old.destroy_wait if self.destroy_wait is None else self.destroy_wait,
            export_policy=old.export_policy
            if self.export_policy is None
            else old.export_policy.tightened_to(self.export_policy),
            attestation_gate=old.attestation_gate if self.attestation_gate is None else self.attestation_gate.gate,
            sensitivity=old.sensitivity if self.sensitivity is None else self.sensitivity,
        )
        labels = key.labels if self.labels is None else self.labels
        changed = replace(key, labels=labels, settings=settings)
        return changed if self.rotation is None else rescheduled(changed, now)


def _own_without_gate(key: Key) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.PURPOSE_MISMATCH,
        f"{key.name} is the service's own, which no caller uses: it takes no attestation gate",
        resource=str(key.name),
    )
