"""DeviceService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import devices_pb2, devices_pb2_grpc
from kms.core.call import Call
from kms.core.errors import PermissionDenied, Reason
from kms.core.idempotency import RequestKey
from kms.core.identity import Role
from kms.core.names import ChildName, TenantName
from kms.devices import wire
from kms.devices.model import ChallengePurpose
from kms.devices.reading import DeviceReader
from kms.devices.service import DeviceService
from kms.keys.paging import page_size, page_token, read_page_token
from kms.log.wire import promise_to_wire, wants_published


def _request_key(
    request: devices_pb2.CreateChallengeRequest | devices_pb2.AttestDeviceRequest, call: Call
) -> RequestKey:
    return RequestKey.of_message(call.caller, call.method, request)


@dataclass(frozen=True, slots=True)
class DeviceServicer(devices_pb2_grpc.DeviceServiceServicer):
    devices: DeviceService
    reader: DeviceReader

    async def CreateChallenge(self, request: devices_pb2.CreateChallengeRequest, call: Call) -> devices_pb2.Challenge:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        purpose = wire.purpose_from_wire(request.purpose)
        if purpose is ChallengePurpose.FACTORY and call.caller.role is Role.DEVICE:
            raise PermissionDenied(
                Reason.ROLE_NOT_ALLOWED, "challenges for FACTORY are for provisioning stations: roles admin and backend"
            )
        challenge = await self.devices.create_challenge(
            tenant,
            request=_request_key(request, call),
            now=call.now,
            purpose=purpose,
            key_spki=wire.key_spki_from_wire(request.key_spki),
            tpm=wire.tpm_keys_from_wire(request.tpm) if request.HasField("tpm") else None,
        )
        return wire.challenge_to_wire(challenge)

    async def AttestDevice(
        self, request: devices_pb2.AttestDeviceRequest, call: Call
    ) -> devices_pb2.AttestDeviceResponse:
        challenge = ChildName.parse(request.challenge, "challenges", "challenge")
        call.caller.may_see(challenge.tenant, request.challenge)
        answer, replayed = await self.devices.attest(
            challenge,
            wire.submission_from_wire(request),
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return devices_pb2.AttestDeviceResponse(
            verdict=wire.verdict_to_wire(answer.verdict),
            device=None if answer.device is None else wire.device_to_wire(answer.device),
            log=promise_to_wire(answer.promise),
            replayed=replayed,
            certificate=None if answer.certificate is None else wire.certificate_to_wire(answer.certificate),
            result=wire.result_to_wire(answer.result),
        )

    async def GetDevice(self, request: devices_pb2.GetDeviceRequest, call: Call) -> devices_pb2.Device:
        name = ChildName.parse(request.name, "devices")
        call.caller.may_see(name.tenant, request.name)
        return wire.device_to_wire(await self.reader.get(name))

    async def ListDevices(self, request: devices_pb2.ListDevicesRequest, call: Call) -> devices_pb2.ListDevicesResponse:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        found, more = await self.reader.list(
            tenant,
            after=read_page_token(request.page_token),
            limit=page_size(request.page_size),
            state=wire.state_from_wire(request.state),
            device_class=wire.class_from_wire(request.device_class),
        )
        return devices_pb2.ListDevicesResponse(
            devices=map(wire.device_to_wire, found),
            next_page_token=page_token(found[-1].name.id) if more else "",
        )

    async def GetVerdict(self, request: devices_pb2.GetVerdictRequest, call: Call) -> devices_pb2.Verdict:
        name = ChildName.parse(request.name, "verdicts")
        call.caller.may_see(name.tenant, request.name)
        return wire.stored_verdict_to_wire(await self.reader.get_verdict(name))

    async def ReplayVerdict(
        self, request: devices_pb2.ReplayVerdictRequest, call: Call
    ) -> devices_pb2.ReplayVerdictResponse:
        name = ChildName.parse(request.name, "verdicts")
        call.caller.may_see(name.tenant, request.name)
        return wire.replay_to_wire(await self.reader.replay(name))
