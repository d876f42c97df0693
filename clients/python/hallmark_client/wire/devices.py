"""Challenges, verdicts and devices from the wire; evidence to it."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format

from hallmark.v1 import devices_pb2
from hallmark_client.model.devices import (
    Attestation,
    AttestationResult,
    Challenge,
    Device,
    DeviceCertificate,
    DeviceHpkeKey,
    Evidence,
    TpmCredential,
    TpmKeys,
    Verdict,
    VerdictReplay,
)
from hallmark_client.model.enums import ChallengePurpose, DeviceClass, DeviceState, EvidenceFormat
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import enum_argument, member_of, moment, moment_or_none, number_of
from hallmark_client.wire.signed import signature_of


def evidence_argument(evidence: Evidence) -> devices_pb2.Evidence:
    """Raises InvalidArgument for a format that is none."""
    kind: Any = 0
    if evidence.format is not None:
        kind = number_of(enum_argument(EvidenceFormat, evidence.format, "format"))
    return devices_pb2.Evidence(
        format=kind,
        parts=[devices_pb2.EvidencePart(name=name, data=data) for name, data in evidence.parts],
        certificates=evidence.certificates,
        cmw=evidence.cmw,
        media_type=evidence.media_type,
    )


def hpke_argument(key: DeviceHpkeKey | None) -> devices_pb2.DeviceHpkeKey | None:
    if key is None:
        return None
    return devices_pb2.DeviceHpkeKey(kem_id=key.kem_id, public_key=key.public_key, signature=key.signature)


def challenge_of(wire: devices_pb2.Challenge) -> Challenge:
    return Challenge(
        name=wire.name,
        challenge=wire.challenge,
        expire_time=moment(wire.expire_time),
        purpose=member_of(ChallengePurpose, wire.purpose),
        key_spki=wire.key_spki,
        tpm_credential=_credential_of(wire.tpm_credential) if wire.HasField("tpm_credential") else None,
    )


def tpm_argument(keys: TpmKeys | None) -> devices_pb2.TpmKeys | None:
    if keys is None:
        return None
    return devices_pb2.TpmKeys(ek_certificates=keys.ek_certificates, ek_public=keys.ek_public, ak_public=keys.ak_public)


def _credential_of(wire: devices_pb2.TpmCredential) -> TpmCredential:
    return TpmCredential(credential_blob=wire.credential_blob, encrypted_secret=wire.encrypted_secret)


def attestation_of(wire: devices_pb2.AttestDeviceResponse) -> Attestation:
    return Attestation(
        verdict=verdict_of(wire.verdict),
        device=device_of(wire.device) if wire.HasField("device") else None,
        log=promise_of(wire.log),
        replayed=wire.replayed,
        certificate=_certificate_of(wire.certificate) if wire.HasField("certificate") else None,
        result=_result_of(wire.result),
    )


def device_of(wire: devices_pb2.Device) -> Device:
    return Device(
        name=wire.name,
        state=member_of(DeviceState, wire.state),
        latest_verdict=verdict_of(wire.latest_verdict),
        key_spki=wire.key_spki,
        create_time=moment(wire.create_time),
        update_time=moment(wire.update_time),
        device_class=member_of(DeviceClass, wire.device_class),
        hpke_key=_hpke_of(wire.hpke_key) if wire.HasField("hpke_key") else None,
        attest_time=moment_or_none(wire, "attest_time"),
        assert_time=moment_or_none(wire, "assert_time"),
        counter=wire.counter,
    )


def devices_of(wire: devices_pb2.ListDevicesResponse) -> tuple[Sequence[Device], str]:
    """A page, and the token of the next."""
    return [device_of(device) for device in wire.devices], wire.next_page_token


def replay_of(wire: devices_pb2.ReplayVerdictResponse) -> VerdictReplay:
    return VerdictReplay(
        recorded=verdict_of(wire.recorded), replayed=verdict_of(wire.replayed), differences=tuple(wire.differences)
    )


def verdict_of(wire: devices_pb2.Verdict) -> Verdict:
    return Verdict(
        name=wire.name,
        authentic=wire.authentic,
        # A verdict that likes what it could not authenticate contradicts the API: read it as the refusal it must be.
        appraised=wire.appraised and wire.authentic,
        reasons=tuple(wire.reasons),
        detail=wire.detail,
        claims=_whole_numbers(json_format.MessageToDict(wire.claims)),
        not_checked=tuple(wire.not_checked),
        input_sha256=dict(wire.input_sha256),
        verify_time=moment(wire.verify_time),
        format=member_of(EvidenceFormat, wire.format),
        device=wire.device,
        result=_result_of(wire.result) if wire.HasField("result") else None,
    )


def _whole_numbers(value: Any) -> Any:
    """Integers as such, at every depth: google.protobuf.Struct has doubles only, and claims have no fractions."""
    match value:
        case dict():
            return {name: _whole_numbers(item) for name, item in value.items()}
        case list():
            return [_whole_numbers(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _result_of(wire: devices_pb2.AttestationResult) -> AttestationResult:
    return AttestationResult(payload=wire.payload, signature=signature_of(wire.signature), jwt=wire.jwt)


def _certificate_of(wire: devices_pb2.DeviceCertificate) -> DeviceCertificate:
    return DeviceCertificate(
        certificate=wire.certificate, spiffe_id=wire.spiffe_id, expire_time=moment(wire.expire_time)
    )


def _hpke_of(wire: devices_pb2.DeviceHpkeKey) -> DeviceHpkeKey:
    return DeviceHpkeKey(kem_id=wire.kem_id, public_key=wire.public_key, signature=wire.signature)
