"""Uses of the fake's keys that have an attestation gate."""

import re
from datetime import UTC
from typing import Any, Final

import grpc

from hallmark.v1 import devices_pb2, keys_pb2
from hallmark_client.testing.devices import FakeDevices
from hallmark_client.testing.refusals import invalid, precondition, refusal
from hallmark_client.testing.state import State

_CALLER: Final = re.compile("device|.*/device/(.*)")
_ATTESTED: Final = re.compile("d-([0-9a-f-]{36})")


class FakeGates:
    """`caller` is set before each call: its SPIFFE name, or its role. A device comes in by the name d-{device id}."""

    def __init__(self, state: State, devices: FakeDevices) -> None:
        self._state = state
        self._devices = devices
        self.caller = ""

    def check(self, key: keys_pb2.Key, named: str) -> dict[str, str]:
        """What the log entry of a use says of it; nothing for a key without a gate. Raises as the service does."""
        gated, name = key.HasField("attestation_gate"), self._claimed(key, named)
        if not gated and name:
            raise invalid("device", f"must be left out: {key.name} has no attestation gate")
        if not gated:
            return {}
        if not name:
            raise precondition("ATTESTATION_REQUIRED", f"{key.name} is used on behalf of attested devices only")
        self._state.check_child_name(name, "devices")
        device = self._devices.find(name)
        if device.state == devices_pb2.DEVICE_STATE_REVOKED:
            raise precondition("DEVICE_REVOKED", f"{name} was revoked")
        self._check_fits(key.attestation_gate, device)
        return {"verdict": device.latest_verdict.name}

    def _claimed(self, key: keys_pb2.Key, named: str) -> str:
        found = _CALLER.fullmatch(self.caller)
        if found is None:
            return named
        attested = _ATTESTED.fullmatch(found[1] or "")
        own = f"{self._state.parent}/devices/{attested[1]}" if attested else ""
        if not own or named not in {"", own} or not key.attestation_gate.device_callers:
            sentence = f"role device may not use {key.name}: devices use keys that are open to them, each for itself"
            raise refusal(grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", sentence)
        return own

    def _check_fits(self, gate: keys_pb2.AttestationGate, device: devices_pb2.Device) -> None:
        """The fake's devices are phones with a TEE, which measure nothing."""
        level: Any = keys_pb2.SECURITY_LEVEL_TEE
        if self._state.now() - device.attest_time.ToDatetime(tzinfo=UTC) > gate.max_verdict_age.ToTimedelta():
            raise precondition("VERDICT_TOO_OLD", f"{device.name} attested too long ago; let it attest again")
        fits = (
            (not gate.formats or device.latest_verdict.format in gate.formats)
            and level >= gate.minimum_level
            and device.device_class in gate.device_classes
            and not gate.measurements
        )
        if not fits:
            raise precondition("VERDICT_INSUFFICIENT", f"the verdict about {device.name} does not meet the gate")
