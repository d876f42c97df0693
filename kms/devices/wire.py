"""Devices on the wire: model <-> protobuf. Evidence: evidence_wire.py."""

from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from google.protobuf import struct_pb2, timestamp_pb2

from attestation.model import Format
from hallmark.v1 import devices_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.devices.evidence_wire import FORMATS, evidence_from_wire
from kms.devices.model import (
    KEY_SPKI_BYTES_MAX,
    Challenge,
    ChallengePurpose,
    Device,
    DeviceCertificate,
    DeviceClass,
    DeviceState,
    DeviceVerdict,
    HpkeKey,
    SignedResult,
)
from kms.devices.proofs import SIGNATURE_BYTES_MAX, HpkeRegistration, check_hpke_key, key_of_request
from kms.devices.reading import Replay
from kms.devices.submission import Submission
from kms.devices.tpm import TpmKeys, read_tpm_keys
from kms.devices.verdict_store import StoredVerdict
from kms.keys.wire import service_signature_to_wire

Member = TypeVar("Member", bound=Enum)

_STATES = {
    DeviceState.ATTESTED: devices_pb2.DEVICE_STATE_ATTESTED,
    DeviceState.REVOKED: devices_pb2.DEVICE_STATE_REVOKED,
}
_CLASSES = {
    DeviceClass.SOFTWARE: devices_pb2.DEVICE_CLASS_SOFTWARE,
    DeviceClass.HARDWARE: devices_pb2.DEVICE_CLASS_HARDWARE,
    DeviceClass.FACTORY: devices_pb2.DEVICE_CLASS_FACTORY,
}
_PURPOSES = {
    ChallengePurpose.FIRST_BOOT: devices_pb2.CHALLENGE_PURPOSE_FIRST_BOOT,
    ChallengePurpose.FACTORY: devices_pb2.CHALLENGE_PURPOSE_FACTORY,
    ChallengePurpose.SOFTWARE_SEALED: devices_pb2.CHALLENGE_PURPOSE_SOFTWARE_SEALED,
    ChallengePurpose.ASSERTION: devices_pb2.CHALLENGE_PURPOSE_ASSERTION,
}
_EXACT_INTEGER_MAX = 2**53
"""Numbers of a Struct are doubles; larger integers are written as decimal strings."""


def purpose_from_wire(number: devices_pb2.ChallengePurpose) -> ChallengePurpose:
    """FIRST_BOOT when it was left out. Raises InvalidArgument."""
    return _member(_PURPOSES, number, "purpose") or ChallengePurpose.FIRST_BOOT


def state_from_wire(number: devices_pb2.DeviceState) -> DeviceState | None:
    return _member(_STATES, number, "state")


def class_from_wire(number: devices_pb2.DeviceClass) -> DeviceClass | None:
    return _member(_CLASSES, number, "device_class")


def submission_from_wire(request: devices_pb2.AttestDeviceRequest) -> Submission:
    """Raises InvalidArgument for what can not be right, before the challenge is touched."""
    key_spki = key_spki_from_wire(request.key_spki)
    if request.certificate_request:
        requested = key_of_request(request.certificate_request)
        if key_spki not in {None, requested}:
            sentence = "certificate_request is signed by another key than key_spki names"
            raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="certificate_request")
        key_spki = requested
    return Submission(
        evidence=evidence_from_wire(request.evidence),
        purpose=purpose_from_wire(request.purpose),
        key_spki=key_spki,
        wants_certificate=bool(request.certificate_request),
        hpke=_hpke_from_wire(request.hpke_key) if request.HasField("hpke_key") else None,
    )


def key_spki_from_wire(key_spki: bytes) -> bytes | None:
    if len(key_spki) > KEY_SPKI_BYTES_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"key_spki may have {KEY_SPKI_BYTES_MAX} bytes", field="key_spki")
    return key_spki or None


def tpm_keys_from_wire(message: devices_pb2.TpmKeys) -> TpmKeys:
    """Raises InvalidArgument."""
    return read_tpm_keys(
        ek_certificates=message.ek_certificates, ek_public=message.ek_public, ak_public=message.ak_public
    )


def challenge_to_wire(challenge: Challenge) -> devices_pb2.Challenge:
    message = devices_pb2.Challenge(
        name=str(challenge.name),
        challenge=challenge.value,
        expire_time=_time(challenge.expire_time),
        purpose=_PURPOSES[challenge.purpose],
        key_spki=challenge.key_spki or b"",
    )
    if challenge.credential is not None:
        message.tpm_credential.credential_blob = challenge.credential.id_object
        message.tpm_credential.encrypted_secret = challenge.credential.encrypted_secret
    return message


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
        format=FORMATS[Format(verdict.format)],
        device=verdict.device,
    )


def stored_verdict_to_wire(stored: StoredVerdict) -> devices_pb2.Verdict:
    """With its signed result."""
    message = verdict_to_wire(stored.verdict)
    if stored.result is not None:
        message.result.CopyFrom(result_to_wire(stored.result))
    return message


def result_to_wire(result: SignedResult) -> devices_pb2.AttestationResult:
    return devices_pb2.AttestationResult(
        payload=result.payload, signature=service_signature_to_wire(result.signature), jwt=result.jwt
    )


def certificate_to_wire(certificate: DeviceCertificate) -> devices_pb2.DeviceCertificate:
    return devices_pb2.DeviceCertificate(
        certificate=certificate.certificate,
        spiffe_id=certificate.spiffe_id,
        expire_time=_time(certificate.expire_time),
    )


def device_to_wire(device: Device) -> devices_pb2.Device:
    message = devices_pb2.Device(
        name=str(device.name),
        state=_STATES[device.state],
        latest_verdict=verdict_to_wire(device.latest_verdict),
        key_spki=device.key_spki,
        create_time=_time(device.create_time),
        update_time=_time(device.update_time),
        attest_time=_time(device.attest_time),
        device_class=_CLASSES[device.device_class],
        counter=device.counter,
    )
    if device.hpke_key is not None:
        message.hpke_key.kem_id = device.hpke_key.kem_id
        message.hpke_key.public_key = device.hpke_key.public_key
    if device.assert_time is not None:
        message.assert_time.FromDatetime(device.assert_time)
    return message


def replay_to_wire(replay: Replay) -> devices_pb2.ReplayVerdictResponse:
    return devices_pb2.ReplayVerdictResponse(
        recorded=verdict_to_wire(replay.recorded),
        replayed=verdict_to_wire(replay.replayed),
        differences=replay.differences,
    )


def _hpke_from_wire(message: devices_pb2.DeviceHpkeKey) -> HpkeRegistration:
    key = HpkeKey(kem_id=message.kem_id, public_key=message.public_key)
    check_hpke_key(key)
    if len(message.signature) > SIGNATURE_BYTES_MAX:
        sentence = f"hpke_key.signature may have {SIGNATURE_BYTES_MAX} bytes"
        raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="hpke_key.signature")
    return HpkeRegistration(key=key, signature=message.signature)


def _member(table: dict[Member, Any], number: int, field: str) -> Member | None:
    """None for 0. Raises InvalidArgument for what this version does not know."""
    found = next((member for member, known in table.items() if known == number), None)
    if found is None and number != 0:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} is not one that this server knows", field=field)
    return found


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
