"""What an owner decides about a key: when it rotates, how much it may be used, how it ends, what may leave."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.core.resources import Sensitivity
from kms.keys.attestation_gate import AttestationGate, gate_loosened

PERIOD_MIN = timedelta(hours=1)
PERIOD_MAX = timedelta(days=5 * 366)
LEAD_MAX = timedelta(days=366)
"""Of a rotation on demand; a scheduled one has at most half its period."""
TAIL_MAX = timedelta(days=50 * 366)
DESTROY_WAIT_MIN = timedelta(days=1)
DESTROY_WAIT_MAX = timedelta(days=120)
DESTROY_WAIT_DEFAULT = timedelta(days=30)
PER_SECOND_MAX = 1_000_000
TOTAL_MAX = 2**53
"""Fits a JSON number, so that it can stand in a log entry."""


def _within(field: str, value: timedelta, least: timedelta, most: timedelta) -> None:
    if not least <= value <= most:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must be {least} to {most}, not {value}", field=field)
    if value.microseconds:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must be a whole number of seconds", field=field)


class ExportPolicy(StrEnum):
    """What may leave the HSM boundary. WRAPPED: only sealed to a public key, after approvals."""

    NEVER = "never"
    WRAPPED = "wrapped"

    def tightened_to(self, wanted: "ExportPolicy") -> "ExportPolicy":
        """Raises FailedPrecondition/EXPORT_FORBIDDEN: what was promised at creation is never loosened."""
        if self is ExportPolicy.NEVER and wanted is not ExportPolicy.NEVER:
            raise FailedPrecondition(
                Reason.EXPORT_FORBIDDEN, "export_policy can only be made stricter; make a new key instead"
            )
        return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPolicy:
    """`period`: None is on demand only. `publish_lead`: how long the next public key is known before it signs.

    `verify_tail`: how long a version stays in the trust bundle after it was rotated out; None is for ever.
    """

    period: timedelta | None = None
    publish_lead: timedelta = timedelta(0)
    verify_tail: timedelta | None = None

    def __post_init__(self) -> None:
        """Raises InvalidArgument that names the field."""
        if self.period is not None:
            _within("rotation.period", self.period, PERIOD_MIN, PERIOD_MAX)
        lead_max = LEAD_MAX if self.period is None else self.period / 2
        _within("rotation.publish_lead", self.publish_lead, timedelta(0), lead_max)
        if self.verify_tail is not None:
            _within("rotation.verify_tail", self.verify_tail, timedelta(0), TAIL_MAX)

    def next_after(self, now: datetime) -> datetime | None:
        """When the scheduler is to begin the next rotation: so early that the lead is over when the period is."""
        return None if self.period is None else now + self.period - self.publish_lead


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLimits:
    """None is no limit. `per_second` is counted by each replica, `total` exactly, in the transaction of the use."""

    per_second: int | None = None
    total: int | None = None
    not_after: datetime | None = None

    def __post_init__(self) -> None:
        """Raises InvalidArgument that names the field."""
        for field, value, most in (("per_second", self.per_second, PER_SECOND_MAX), ("total", self.total, TOTAL_MAX)):
            if value is not None and not 1 <= value <= most:
                raise InvalidArgument(
                    Reason.FIELD_INVALID, f"{field} must be 1 to {most}, or 0 for none", field=f"usage_limits.{field}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """All that UpdateKey can change, but for the labels."""

    rotation: RotationPolicy = RotationPolicy()
    usage_limits: UsageLimits = UsageLimits()
    destroy_wait: timedelta = DESTROY_WAIT_DEFAULT
    export_policy: ExportPolicy = ExportPolicy.NEVER
    attestation_gate: AttestationGate | None = None
    sensitivity: Sensitivity = Sensitivity.STANDARD

    def __post_init__(self) -> None:
        """Raises InvalidArgument that names the field."""
        _within("destroy_wait", self.destroy_wait, DESTROY_WAIT_MIN, DESTROY_WAIT_MAX)

    @property
    def may_leave(self) -> bool:
        """New versions are made so that they can be exported."""
        return self.export_policy is ExportPolicy.WRAPPED


def loosened(before: KeySettings, after: KeySettings) -> tuple[str, ...]:
    """The settings that allow more after the change than before it, by their names on the wire.

    That an export policy is loosened can not be: see ExportPolicy. Longer lives, later ends, more uses, shorter
    warnings and shorter waits are looser; None means for ever, or without limit. Less sensitive is looser: worse
    channels and more callers will do. Of attestation gates see there.
    """
    old, new = before.rotation, after.rotation
    was, limits = before.usage_limits, after.usage_limits
    looser = {
        "rotation.period": _grows(old.period, new.period),
        "rotation.publish_lead": new.publish_lead < old.publish_lead,
        "rotation.verify_tail": _grows(old.verify_tail, new.verify_tail),
        "usage_limits.per_second": _grows(was.per_second, limits.per_second),
        "usage_limits.total": _grows(was.total, limits.total),
        "usage_limits.not_after": _grows(was.not_after, limits.not_after),
        "destroy_wait": after.destroy_wait < before.destroy_wait,
        "sensitivity": after.sensitivity < before.sensitivity,
        "attestation_gate": gate_loosened(before.attestation_gate, after.attestation_gate),
    }
    return tuple(name for name, is_so in looser.items() if is_so)


def _grows(before: Any | None, after: Any | None) -> bool:
    """None is larger than everything."""
    return before is not None and (after is None or after > before)


def check_lead(lead: timedelta) -> timedelta:
    """Of a rotation on demand. Raises InvalidArgument."""
    _within("publish_lead", lead, timedelta(0), LEAD_MAX)
    return lead
