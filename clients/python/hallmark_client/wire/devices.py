"""Challenges, verdicts and devices from the wire."""

from google.protobuf import json_format

from hallmark.v1 import devices_pb2
from hallmark_client.model.devices import Attestation, Challenge, Device, Verdict
from hallmark_client.model.enums import DeviceState, EvidenceFormat
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment


def challenge_of(wire: devices_pb2.Challenge) -> Challenge:
    return Challenge(name=wire.name, challenge=wire.challenge, expire_time=moment(wire.expire_time))


def attestation_of(wire: devices_pb2.AttestDeviceResponse) -> Attestation:
    return Attestation(
        verdict=_verdict_of(wire.verdict),
        device=device_of(wire.device) if wire.HasField("device") else None,
        log=promise_of(wire.log),
        replayed=wire.replayed,
    )


def device_of(wire: devices_pb2.Device) -> Device:
    return Device(
        name=wire.name,
        state=member_of(DeviceState, wire.state),
        latest_verdict=_verdict_of(wire.latest_verdict),
        key_spki=wire.key_spki,
        create_time=moment(wire.create_time),
        update_time=moment(wire.update_time),
    )


def _verdict_of(wire: devices_pb2.Verdict) -> Verdict:
    return Verdict(
        name=wire.name,
        authentic=wire.authentic,
        # A verdict that likes what it could not authenticate contradicts the API: read it as the refusal it must be.
        appraised=wire.appraised and wire.authentic,
        reasons=tuple(wire.reasons),
        detail=wire.detail,
        claims=json_format.MessageToDict(wire.claims),
        not_checked=tuple(wire.not_checked),
        input_sha256=dict(wire.input_sha256),
        verify_time=moment(wire.verify_time),
        format=member_of(EvidenceFormat, wire.format),
    )
