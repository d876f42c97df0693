"""DeviceService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import devices_pb2, devices_pb2_grpc
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import ChildName, TenantName
from kms.devices import wire
from kms.devices.service import DeviceService
from kms.log.wire import promise_to_wire, wants_published


def _request_key(
    request: devices_pb2.CreateChallengeRequest | devices_pb2.AttestDeviceRequest, call: Call
) -> RequestKey:
    return RequestKey.of_message(call.caller, call.method, request)


@dataclass(frozen=True, slots=True)
class DeviceServicer(devices_pb2_grpc.DeviceServiceServicer):
    devices: DeviceService

    async def CreateChallenge(self, request: devices_pb2.CreateChallengeRequest, call: Call) -> devices_pb2.Challenge:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        key = _request_key(request, call)
        return wire.challenge_to_wire(await self.devices.create_challenge(tenant, request=key, now=call.now))

    async def AttestDevice(
        self, request: devices_pb2.AttestDeviceRequest, call: Call
    ) -> devices_pb2.AttestDeviceResponse:
        challenge = ChildName.parse(request.challenge, "challenges", "challenge")
        call.caller.may_see(challenge.tenant, request.challenge)
        answer, replayed = await self.devices.attest(
            challenge,
            wire.evidence_from_wire(request.evidence),
            key_spki=wire.key_spki_from_wire(request.key_spki),
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return devices_pb2.AttestDeviceResponse(
            verdict=wire.verdict_to_wire(answer.verdict),
            device=None if answer.device is None else wire.device_to_wire(answer.device),
            log=promise_to_wire(answer.promise),
            replayed=replayed,
        )

    async def GetDevice(self, request: devices_pb2.GetDeviceRequest, call: Call) -> devices_pb2.Device:
        name = ChildName.parse(request.name, "devices")
        call.caller.may_see(name.tenant, request.name)
        return wire.device_to_wire(await self.devices.get(name))
