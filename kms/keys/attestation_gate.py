"""What the owner of a key may demand of the device behind each use of it, as pure rules.

A gate looks at the newest verdict about a device that is not revoked (kms.keys.verdict_gate finds it). Everything that
the gate names must hold; what it leaves out is not asked for. Stored and logged as canonical JSON, see `to_dict`.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from attestation.claims import Measurement, SecurityLevel
from attestation.model import Format
from kms.core.canonical import Json, canonical_json
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.core.names import ChildName, KeyName

AGE_MIN: Final = timedelta(seconds=1)
AGE_MAX: Final = timedelta(days=366)
AGE_DEFAULT: Final = timedelta(days=1)
MEASUREMENTS_MAX: Final = 64
DIGESTS_MAX: Final = 64
DIGEST_BYTES_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 64
_LEVELS: Final = list(SecurityLevel)


class DeviceClass(StrEnum):
    """How a device came to be believed. The same values as kms.devices.model has, one floor above."""

    SOFTWARE = "software"
    HARDWARE = "hardware"
    FACTORY = "factory"


BY_HARDWARE: Final = frozenset({DeviceClass.HARDWARE, DeviceClass.FACTORY})


@dataclass(frozen=True, slots=True)
class AllowedMeasurement:
    """What a measurement may be: one of `digests`."""

    name: str
    digests: frozenset[bytes]

    def __post_init__(self) -> None:
        """Raises InvalidArgument."""
        if not (1 <= len(self.name) <= NAME_CHARACTERS_MAX and self.name.isascii() and self.name.isprintable()):
            raise _invalid("measurements", f"have names of 1 to {NAME_CHARACTERS_MAX} printable ASCII characters")
        sizes_fit = all(1 <= len(digest) <= DIGEST_BYTES_MAX for digest in self.digests)
        if not 1 <= len(self.digests) <= DIGESTS_MAX or not sizes_fit:
            sentence = f"allow 1 to {DIGESTS_MAX} digests each, of 1 to {DIGEST_BYTES_MAX} bytes"
            raise _invalid("measurements", sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVerdict:
    """The newest verdict about a device, appraised, of a device that is not revoked.

    `live_time`: when the device last answered a fresh challenge, which a re-appraisal does not change.
    """

    name: str
    device: ChildName
    format: Format
    level: SecurityLevel | None
    device_class: DeviceClass
    measurements: tuple[Measurement, ...]
    live_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationGate:
    """Empty `formats`: any. `minimum_level` None: any, also none at all. `measurements` are sorted by name.

    `device_callers`: devices may use the key themselves, each for itself; otherwise people and backends only, who name
    the device.
    """

    formats: frozenset[Format] = frozenset()
    minimum_level: SecurityLevel | None = None
    device_classes: frozenset[DeviceClass] = BY_HARDWARE
    measurements: tuple[AllowedMeasurement, ...] = ()
    max_verdict_age: timedelta = AGE_DEFAULT
    device_callers: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidArgument that names the field."""
        if Format.APPLE_APP_ASSERTION in self.formats:
            raise _invalid("formats", "name evidence; an assertion keeps APPLE_APP_ATTEST young and is none")
        if not self.device_classes:
            raise _invalid("device_classes", "must have one at least")
        self._check_passable()
        names = [allowed.name for allowed in self.measurements]
        if len(names) > MEASUREMENTS_MAX or names != sorted(set(names)):
            raise _invalid("measurements", f"must be at most {MEASUREMENTS_MAX}, each name once")
        if not AGE_MIN <= self.max_verdict_age <= AGE_MAX or self.max_verdict_age.microseconds:
            raise _invalid("max_verdict_age", "must be 1 second to 366 days, in whole seconds")

    def _check_passable(self) -> None:
        """Evidence by software alone makes devices of class software, and these have no level above SOFTWARE (see
        kms.devices.findings.class_of). Raises InvalidArgument for a gate that asks for both sides of that.
        """
        takes_software_only = self.formats == {Format.SOFTWARE}
        if takes_software_only and DeviceClass.SOFTWARE not in self.device_classes:
            sentence = "must have software (--gate-class software): evidence in software makes devices of no other"
            raise _invalid("device_classes", sentence)
        software_devices_only = takes_software_only or self.device_classes == {DeviceClass.SOFTWARE}
        if software_devices_only and _rank(self.minimum_level) > _rank(SecurityLevel.SOFTWARE):
            raise _invalid("minimum_level", "can not be above SOFTWARE: devices of class software have no other")

    def check(self, key: KeyName, verdict: LiveVerdict, now: datetime) -> None:
        """Raises FailedPrecondition (VERDICT_TOO_OLD, VERDICT_INSUFFICIENT) that says what is missing."""
        if now - verdict.live_time > self.max_verdict_age:
            raise FailedPrecondition(
                Reason.VERDICT_TOO_OLD,
                f"{key} asks for a device that answered a challenge within {_words(self.max_verdict_age)};"
                f" {verdict.device} last did {_words(now - verdict.live_time)} ago, at"
                f" {verdict.live_time.isoformat(timespec='seconds')}. Let it attest again",
                resource=str(verdict.device),
                metadata={"key": str(key), "verdict": verdict.name},
            )
        for missing, sentence in self._misfits(verdict):
            raise FailedPrecondition(
                Reason.VERDICT_INSUFFICIENT,
                f"{key} {sentence}",
                resource=str(verdict.device),
                metadata={"key": str(key), "verdict": verdict.name, "missing": missing},
            )

    def _misfits(self, verdict: LiveVerdict) -> list[tuple[str, str]]:
        """Field of the gate and a sentence, for each that the verdict does not meet."""
        found: list[tuple[str, str]] = []
        if self.formats and verdict.format not in self.formats:
            wanted = ", ".join(sorted(self.formats))
            found.append(("formats", f"takes evidence of {wanted}; that of the device is {verdict.format}"))
        if _rank(verdict.level) < _rank(self.minimum_level):
            level = verdict.level or "none"
            found.append(("minimum_level", f"asks for {self.minimum_level} or better; the verdict says {level}"))
        if verdict.device_class not in self.device_classes:
            wanted = ", ".join(sorted(self.device_classes))
            found.append(("device_classes", f"takes devices of class {wanted}; this one is {verdict.device_class}"))
        for allowed in self.measurements:
            measured = [each.digest for each in verdict.measurements if each.name == allowed.name]
            if not measured or not allowed.digests.issuperset(measured):
                what = "is not in the verdict" if not measured else "is none of those that are allowed"
                found.append(("measurements", f"asks for measurement {allowed.name}, which {what}"))
        return found

    def to_dict(self) -> dict[str, Json]:
        """As the log and the database have it; what is not asked for is left out."""
        document: dict[str, Json] = {
            "device_callers": self.device_callers,
            "device_classes": [*sorted(self.device_classes)],
            "max_verdict_age_seconds": self.max_verdict_age // timedelta(seconds=1),
        }
        if self.formats:
            document["formats"] = [*sorted(self.formats)]
        if self.minimum_level is not None:
            document["minimum_level"] = self.minimum_level.value
        if self.measurements:
            document["measurements"] = {
                each.name: [*sorted(map(bytes.hex, each.digests))] for each in self.measurements
            }
        return document


@lru_cache(maxsize=1024)
def gate_document(gate: AttestationGate) -> str:
    """Canonical: equal gates have equal documents."""
    return canonical_json(gate.to_dict()).decode()


@lru_cache(maxsize=1024)
def read_gate(document: str) -> AttestationGate:
    """What `gate_document` wrote."""
    found = json.loads(document)
    level = found.get("minimum_level")
    return AttestationGate(
        formats=frozenset(map(Format, found.get("formats", ()))),
        minimum_level=None if level is None else SecurityLevel(level),
        device_classes=frozenset(map(DeviceClass, found["device_classes"])),
        measurements=tuple(
            AllowedMeasurement(name, frozenset(map(bytes.fromhex, digests)))
            for name, digests in sorted(found.get("measurements", {}).items())
        ),
        max_verdict_age=timedelta(seconds=found["max_verdict_age_seconds"]),
        device_callers=found["device_callers"],
    )


def gate_loosened(before: AttestationGate | None, after: AttestationGate | None) -> bool:
    """Does `after` let anybody use the key who could not before? None: no gate, and no devices as callers."""
    if after is not None and after.device_callers and not (before is not None and before.device_callers):
        return True
    if before is None or after is None:
        return before is not None
    return not (
        _narrows(before.formats, after.formats)
        and _rank(after.minimum_level) >= _rank(before.minimum_level)
        and after.device_classes <= before.device_classes
        and _measures_as_much(before, after)
        and after.max_verdict_age <= before.max_verdict_age
    )


def _narrows(before: frozenset[Format], after: frozenset[Format]) -> bool:
    """Empty is every format."""
    return not before or (bool(after) and after <= before)


def _measures_as_much(before: AttestationGate, after: AttestationGate) -> bool:
    kept = {allowed.name: allowed.digests for allowed in after.measurements}
    return all(each.name in kept and kept[each.name] <= each.digests for each in before.measurements)


def _rank(level: SecurityLevel | None) -> int:
    return -1 if level is None else _LEVELS.index(level)


def _words(span: timedelta) -> str:
    """Its two largest units, rounded down: 1 day 3 hours, 90 minutes is 1 hour 30 minutes."""
    seconds, parts = span // timedelta(seconds=1), list[str]()
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(parts[:2]) or "0 seconds"


def _invalid(field: str, sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field} {sentence}", field=f"attestation_gate.{field}")
