"""Devices of the fake."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hallmark.v1 import devices_pb2
from hallmark_client.testing.keys import FakeKeys
from hallmark_client.testing.refusals import invalid, not_found, precondition
from hallmark_client.testing.results import FakeResults
from hallmark_client.testing.state import State
from hallmark_client.testing.virtual_device import DeviceRoot, Judgement, judge

CHALLENGE_LIFE: Final = timedelta(minutes=5)
MAX_EVIDENCE_BYTES: Final = 64 * 1024
MAX_CERTIFICATES: Final = 8


@dataclass
class _Challenge:
    value: bytes
    expire_time: datetime
    purpose: devices_pb2.ChallengePurpose
    key_spki: bytes
    used: bool = False


class FakeDevices:
    """Challenges, attestations, devices and verdicts. Certificates are not given out."""

    def __init__(self, state: State, keys: FakeKeys) -> None:
        self._state = state
        self._results = FakeResults(state, keys)
        self._verdicts: dict[str, devices_pb2.Verdict] = {}
        self.root = DeviceRoot(state.now())
        self._challenges: dict[str, _Challenge] = {}
        self._devices: dict[str, devices_pb2.Device] = {}

    def count(self) -> int:
        """Devices that were enrolled."""
        return len(self._devices)

    def create_challenge(self, request: devices_pb2.CreateChallengeRequest) -> devices_pb2.Challenge:
        self._state.check_parent(request.parent)
        if request.HasField("tpm"):
            raise invalid("tpm", "is for a service: the fake makes no credentials")
        name = f"{request.parent}/challenges/{self._state.new_id()}"
        value = self._state.random_bytes(32)
        assert all(value != known.value for known in self._challenges.values()), "a challenge was given out twice"
        purpose = request.purpose or devices_pb2.CHALLENGE_PURPOSE_FIRST_BOOT
        challenge = _Challenge(value, self._state.now() + CHALLENGE_LIFE, purpose, request.key_spki)
        self._challenges[name] = challenge
        answer = devices_pb2.Challenge(name=name, challenge=value, purpose=purpose, key_spki=request.key_spki)
        answer.expire_time.FromDatetime(challenge.expire_time)
        return answer

    def attest(self, request: devices_pb2.AttestDeviceRequest) -> devices_pb2.AttestDeviceResponse:
        """The challenge is consumed first, whatever comes out."""
        _check_evidence(request.evidence)
        made = self._consume(request)
        challenge, key_spki = made.value, request.key_spki or made.key_spki
        certificates = list(request.evidence.certificates)
        found = judge(certificates, root=self.root, challenge=challenge, key_spki=key_spki)
        name = f"{self._state.parent}/verdicts/{self._state.new_id()}"
        inputs = {"evidence": b"".join(certificates), "challenge": challenge}
        verdict = devices_pb2.Verdict(
            name=name,
            authentic=found.authentic,
            appraised=found.appraised,
            reasons=found.reasons,
            detail=found.detail,
            not_checked=["STATUS_LIST"] if key_spki else ["STATUS_LIST", "KEY_BINDING"],
            input_sha256={key: hashlib.sha256(value).hexdigest() for key, value in inputs.items()},
            format=devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY,
        )
        verdict.verify_time.FromDatetime(self._state.now())
        verdict.claims.update({"bootloader_locked": found.appraised} if found.authentic else {})
        device = self._enrol(found, verdict, made.purpose)
        if device is not None and request.HasField("hpke_key"):
            device.hpke_key.kem_id, device.hpke_key.public_key = request.hpke_key.kem_id, request.hpke_key.public_key
        result = self._results.sign(verdict, challenge)
        self._verdicts[name] = verdict
        self._verdicts[name].result.CopyFrom(result)
        details = {"authentic": found.authentic, "appraised": found.appraised, "reasons": list(found.reasons)}
        log = self._state.record("device.attested", name, details, wait=request.log_wait)
        answer = devices_pb2.AttestDeviceResponse(verdict=verdict, device=device, log=log, result=result)
        answer.verdict.ClearField("result")
        return answer

    def get(self, request: devices_pb2.GetDeviceRequest) -> devices_pb2.Device:
        self._state.check_child_name(request.name, "devices")
        return self.find(request.name)

    def list(self, request: devices_pb2.ListDevicesRequest) -> devices_pb2.ListDevicesResponse:
        """In one page, whatever page_size says; a server may."""
        self._state.check_parent(request.parent)
        found = [
            device
            for _, device in sorted(self._devices.items())
            if request.state in {0, device.state} and request.device_class in {0, device.device_class}
        ]
        return devices_pb2.ListDevicesResponse(devices=found)

    def get_verdict(self, request: devices_pb2.GetVerdictRequest) -> devices_pb2.Verdict:
        self._state.check_child_name(request.name, "verdicts")
        if request.name not in self._verdicts:
            raise not_found(request.name)
        return self._verdicts[request.name]

    def replay(self, request: devices_pb2.ReplayVerdictRequest) -> devices_pb2.ReplayVerdictResponse:
        """The fake's one rule never changes, so neither do its verdicts."""
        recorded = devices_pb2.Verdict()
        recorded.CopyFrom(self.get_verdict(devices_pb2.GetVerdictRequest(name=request.name)))
        recorded.ClearField("result")
        return devices_pb2.ReplayVerdictResponse(recorded=recorded, replayed=recorded)

    def find(self, name: str) -> devices_pb2.Device:
        """The device itself, not a copy. Raises NotFound."""
        if name not in self._devices:
            raise not_found(name)
        return self._devices[name]

    def revoke(self, name: str) -> None:
        device = self.find(name)
        device.state = devices_pb2.DEVICE_STATE_REVOKED
        device.update_time.FromDatetime(self._state.now())

    def _consume(self, request: devices_pb2.AttestDeviceRequest) -> _Challenge:
        self._state.check_child_name(request.challenge, "challenges")
        challenge = self._challenges.get(request.challenge)
        if challenge is None:
            raise not_found(request.challenge)
        if challenge.used:
            raise precondition("CHALLENGE_USED", "this challenge was used; create another one")
        if self._state.now() >= challenge.expire_time:
            raise precondition("CHALLENGE_EXPIRED", "this challenge has expired; create another one")
        purpose = request.purpose or devices_pb2.CHALLENGE_PURPOSE_FIRST_BOOT
        if purpose != challenge.purpose or (challenge.key_spki and request.key_spki not in {b"", challenge.key_spki}):
            raise precondition("CHALLENGE_MISMATCH", "this challenge was made for another purpose or key")
        challenge.used = True
        return challenge

    def _enrol(
        self, found: Judgement, verdict: devices_pb2.Verdict, purpose: devices_pb2.ChallengePurpose
    ) -> devices_pb2.Device | None:
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
        verdict.device = name
        factory = purpose == devices_pb2.CHALLENGE_PURPOSE_FACTORY
        device.device_class = devices_pb2.DEVICE_CLASS_FACTORY if factory else devices_pb2.DEVICE_CLASS_HARDWARE
        device.latest_verdict.CopyFrom(verdict)
        device.attest_time.FromDatetime(self._state.now())
        device.update_time.FromDatetime(self._state.now())
        self._devices[name] = device
        return device


def _check_evidence(evidence: devices_pb2.Evidence) -> None:
    if evidence.format not in {0, devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY}:
        raise invalid("evidence.format", "is not one this server takes")
    too_large = sum(map(len, evidence.certificates)) > MAX_EVIDENCE_BYTES
    if too_large or len(evidence.certificates) > MAX_CERTIFICATES:
        sentence = f"may have {MAX_CERTIFICATES} certificates and {MAX_EVIDENCE_BYTES} bytes together"
        raise invalid("evidence", sentence, "EVIDENCE_TOO_LARGE")
