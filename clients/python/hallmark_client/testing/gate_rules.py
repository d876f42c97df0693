"""Attestation gates as settings of the fake's keys."""

from datetime import timedelta
from typing import Final

from hallmark.v1 import devices_pb2, keys_pb2
from hallmark_client.testing.refusals import invalid

_BY_HARDWARE: Final = (devices_pb2.DEVICE_CLASS_HARDWARE, devices_pb2.DEVICE_CLASS_FACTORY)
_AGE_MAX: Final = timedelta(days=366)


def gate_of(given: keys_pb2.AttestationGate) -> keys_pb2.AttestationGate:
    """With its defaults, its lists in order. Raises InvalidArgument."""
    age = given.max_verdict_age.ToTimedelta() if given.HasField("max_verdict_age") else timedelta(days=1)
    if not timedelta(seconds=1) <= age <= _AGE_MAX:
        raise invalid("attestation_gate.max_verdict_age", "must be 1 second to 366 days")
    if any(not 1 <= len(allowed.digests) <= 64 for allowed in given.measurements.values()):
        raise invalid("attestation_gate.measurements", "allow 1 to 64 digests each")
    gate = keys_pb2.AttestationGate(
        formats=sorted(set(given.formats)),
        minimum_level=given.minimum_level,
        device_classes=sorted(set(given.device_classes)) or _BY_HARDWARE,
        device_callers=given.device_callers,
    )
    for name, allowed in given.measurements.items():
        gate.measurements[name].digests.extend(sorted(set(allowed.digests)))
    gate.max_verdict_age.FromTimedelta(age)
    return gate


def is_loosened(before: keys_pb2.Key, after: keys_pb2.Key) -> bool:
    """Without a gate people and backends may do everything, devices nothing."""
    old, new = before.attestation_gate, after.attestation_gate
    if new.device_callers and not old.device_callers:
        return True
    if not before.HasField("attestation_gate") or not after.HasField("attestation_gate"):
        return before.HasField("attestation_gate")
    widened = bool(old.formats) and not (new.formats and set(new.formats) <= set(old.formats))
    measured = all(
        name in new.measurements and set(new.measurements[name].digests) <= set(allowed.digests)
        for name, allowed in old.measurements.items()
    )
    return (
        widened
        or not measured
        or new.minimum_level < old.minimum_level
        or not set(new.device_classes) <= set(old.device_classes)
        or new.max_verdict_age.ToTimedelta() > old.max_verdict_age.ToTimedelta()
    )
