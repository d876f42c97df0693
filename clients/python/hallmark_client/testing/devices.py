"""Devices of the fake."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hallmark.v1 import devices_pb2
from hallmark_client.testing.refusals import invalid, not_found, precondition
from hallmark_client.testing.state import State
from hallmark_client.testing.virtual_device import DeviceRoot, Judgement, judge

CHALLENGE_LIFE: Final = timedelta(minutes=5)
MAX_EVIDENCE_BYTES: Final = 64 * 1024
MAX_CERTIFICATES: Final = 8


@dataclass
class _Challenge:
    value: bytes
    expire_time: datetime
    used: bool = False


class FakeDevices:
    """CreateChallenge, AttestDevice, GetDevice."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.root = DeviceRoot(state.now())
        self._challenges: dict[str, _Challenge] = {}
        self._devices: dict[str, devices_pb2.Device] = {}

    def create_challenge(self, request: devices_pb2.CreateChallengeRequest) -> devices_pb2.Challenge:
        self._state.check_parent(request.parent)
        name = f"{request.parent}/challenges/{self._state.new_id()}"
        value = self._state.random_bytes(32)
        assert all(value != known.value for known in self._challenges.values()), "a challenge was given out twice"
        challenge = _Challenge(value, self._state.now() + CHALLENGE_LIFE)
        self._challenges[name] = challenge
        answer = devices_pb2.Challenge(name=name, challenge=challenge.value)
        answer.expire_time.FromDatetime(challenge.expire_time)
        return answer

    def attest(self, request: devices_pb2.AttestDeviceRequest) -> devices_pb2.AttestDeviceResponse:
        """The challenge is consumed first, whatever comes out."""
        _check_evidence(request.evidence)
        challenge = self._consume(request.challenge)
        certificates = list(request.evidence.certificates)
        found = judge(certificates, root=self.root, challenge=challenge, key_spki=request.key_spki)
        name = f"{self._state.parent}/verdicts/{self._state.new_id()}"
        inputs = {"evidence": b"".join(certificates), "challenge": challenge}
        verdict = devices_pb2.Verdict(
            name=name,
            authentic=found.authentic,
            appraised=found.appraised,
            reasons=found.reasons,
            detail=found.detail,
            not_checked=["STATUS_LIST"] if request.key_spki else ["STATUS_LIST", "KEY_BINDING"],
            input_sha256={key: hashlib.sha256(value).hexdigest() for key, value in inputs.items()},
            format=request.evidence.format,
        )
        verdict.verify_time.FromDatetime(self._state.now())
        verdict.claims.update({"bootloader_locked": found.appraised} if found.authentic else {})
        device = self._enrol(found, verdict)
        details = {"authentic": found.authentic, "appraised": found.appraised, "reasons": list(found.reasons)}
        log = self._state.record("device.attested", name, details, wait=request.log_wait)
        return devices_pb2.AttestDeviceResponse(verdict=verdict, device=device, log=log)

    def get(self, request: devices_pb2.GetDeviceRequest) -> devices_pb2.Device:
        self._state.check_child_name(request.name, "devices")
        return self.find(request.name)

    def find(self, name: str) -> devices_pb2.Device:
        """The device itself, not a copy. Raises NotFound."""
        if name not in self._devices:
            raise not_found(name)
        return self._devices[name]

    def revoke(self, name: str) -> None:
        device = self.find(name)
        device.state = devices_pb2.DEVICE_STATE_REVOKED
        device.update_time.FromDatetime(self._state.now())

    def _consume(self, name: str) -> bytes:
        self._state.check_child_name(name, "challenges")
        challenge = self._challenges.get(name)
        if challenge is None:
            raise not_found(name)
        if challenge.used:
            raise precondition("CHALLENGE_USED", "this challenge was used; create another one")
        challenge.used = True
        if self._state.now() >= challenge.expire_time:
            raise precondition("CHALLENGE_EXPIRED", "this challenge has expired; create another one")
        return challenge.value

    def _enrol(self, found: Judgement, verdict: devices_pb2.Verdict) -> devices_pb2.Device | None:
        """A device is its key: attesting again refreshes it. A revoked one stays revoked."""
        if not found.appraised:
            return None
        digest = hashlib.sha256(self._state.tenant.encode() + b"\0" + found.key_spki).digest()
        name = f"{self._state.parent}/devices/{uuid.UUID(bytes=digest[:16], version=4)}"
        known = self._devices.get(name)
        if known is not None and known.state == devices_pb2.DEVICE_STATE_REVOKED:
            verdict.appraised = False
            verdict.reasons.append("DEVICE_REVOKED")
            return None
        device = known or devices_pb2.Device(
            name=name, state=devices_pb2.DEVICE_STATE_ATTESTED, key_spki=found.key_spki
        )
        if known is None:
            device.create_time.FromDatetime(self._state.now())
        device.latest_verdict.CopyFrom(verdict)
        device.update_time.FromDatetime(self._state.now())
        self._devices[name] = device
        return device


def _check_evidence(evidence: devices_pb2.Evidence) -> None:
    if evidence.format != devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY:
        raise invalid("evidence.format", "is not one this server takes")
    too_large = sum(map(len, evidence.certificates)) > MAX_EVIDENCE_BYTES
    if too_large or len(evidence.certificates) > MAX_CERTIFICATES:
        sentence = f"may have {MAX_CERTIFICATES} certificates and {MAX_EVIDENCE_BYTES} bytes together"
        raise invalid("evidence", sentence, "EVIDENCE_TOO_LARGE")
