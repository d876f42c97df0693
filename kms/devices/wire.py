"""Devices on the wire: model <-> protobuf."""

from datetime import datetime
from typing import Any

from google.protobuf import struct_pb2, timestamp_pb2

from attestation.model import Evidence, Format
from hallmark.v1 import devices_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.devices.model import (
    CERTIFICATES_MAX,
    EVIDENCE_BYTES_MAX,
    KEY_SPKI_BYTES_MAX,
    Challenge,
    Device,
    DeviceState,
    DeviceVerdict,
)

_FORMATS: dict[str, devices_pb2.EvidenceFormat] = {Format.ANDROID_KEY: devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY}
_STATES = {
    DeviceState.ATTESTED: devices_pb2.DEVICE_STATE_ATTESTED,
    DeviceState.REVOKED: devices_pb2.DEVICE_STATE_REVOKED,
}
_EXACT_INTEGER_MAX = 2**53
"""Numbers of a Struct are doubles; larger integers are written as decimal strings."""


def evidence_from_wire(evidence: devices_pb2.Evidence) -> Evidence:
    """Checks format, presence and bounds before a byte is parsed. Raises InvalidArgument."""
    certificates = tuple(evidence.certificates)
    if len(certificates) > CERTIFICATES_MAX or sum(map(len, certificates)) > EVIDENCE_BYTES_MAX:
        raise InvalidArgument(
            Reason.EVIDENCE_TOO_LARGE,
            f"evidence may have {CERTIFICATES_MAX} certificates and {EVIDENCE_BYTES_MAX} bytes together",
            field="evidence",
        )
    if evidence.format != devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY:
        raise InvalidArgument(
            Reason.FIELD_INVALID, "evidence.format must be EVIDENCE_FORMAT_ANDROID_KEY", field="evidence.format"
        )
    if not certificates:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            "evidence.certificates is empty; send the chain, leaf first, root last",
            field="evidence.certificates",
        )
    return Evidence.android(certificates)


def key_spki_from_wire(key_spki: bytes) -> bytes | None:
    if len(key_spki) > KEY_SPKI_BYTES_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"key_spki may have {KEY_SPKI_BYTES_MAX} bytes", field="key_spki")
    return key_spki or None


def challenge_to_wire(challenge: Challenge) -> devices_pb2.Challenge:
    return devices_pb2.Challenge(
        name=str(challenge.name), challenge=challenge.value, expire_time=_time(challenge.expire_time)
    )


def verdict_to_wire(verdict: DeviceVerdict) -> devices_pb2.Verdict:
    claims = struct_pb2.Struct()
    claims.update(_struct_value(verdict.claims))
    return devices_pb2.Verdict(
        name=str(verdict.name),
        authentic=verdict.authentic,
        appraised=verdict.appraised,
        reasons=verdict.reasons,
        detail=verdict.detail,
        claims=claims,
        not_checked=verdict.not_checked,
        input_sha256=verdict.input_sha256,
        verify_time=_time(verdict.verify_time),
        format=_FORMATS[verdict.format],
    )


def device_to_wire(device: Device) -> devices_pb2.Device:
    return devices_pb2.Device(
        name=str(device.name),
        state=_STATES[device.state],
        latest_verdict=verdict_to_wire(device.latest_verdict),
        key_spki=device.key_spki,
        create_time=_time(device.create_time),
        update_time=_time(device.update_time),
    )


def _struct_value(value: Any) -> Any:
    match value:
        case dict():
            return {name: _struct_value(item) for name, item in value.items()}
        case list() | tuple():
            return [_struct_value(item) for item in value]
        case bool():
            return value
        case int() if abs(value) > _EXACT_INTEGER_MAX:
            return str(value)
        case _:
            return value


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message
