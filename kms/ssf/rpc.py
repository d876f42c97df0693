"""SsfService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import ssf_pb2, ssf_pb2_grpc
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import TenantName, check_id
from kms.ssf.model import ReceiverName
from kms.ssf.service import ReceiverService
from kms.ssf.wire import receiver_to_wire


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


@dataclass(frozen=True, slots=True)
class SsfServicer(ssf_pb2_grpc.SsfServiceServicer):
    receivers: ReceiverService

    async def CreateSsfReceiver(
        self, request: ssf_pb2.CreateSsfReceiverRequest, call: Call
    ) -> ssf_pb2.CreateSsfReceiverResponse:
        created = await self.receivers.create(
            ReceiverName(_own_tenant(request.parent, call), check_id(request.receiver_id, "receiver_id")),
            request.audience,
            request=RequestKey.of_message(call.caller, call.method, request),
            now=call.now,
        )
        return ssf_pb2.CreateSsfReceiverResponse(
            receiver=receiver_to_wire(created.overview), token=created.token, replayed=created.replayed
        )

    async def ListSsfReceivers(
        self, request: ssf_pb2.ListSsfReceiversRequest, call: Call
    ) -> ssf_pb2.ListSsfReceiversResponse:
        found = await self.receivers.list(_own_tenant(request.parent, call))
        return ssf_pb2.ListSsfReceiversResponse(receivers=map(receiver_to_wire, found))

    async def DeleteSsfReceiver(self, request: ssf_pb2.DeleteSsfReceiverRequest, call: Call) -> ssf_pb2.SsfReceiver:
        name = ReceiverName.parse(request.name)
        call.caller.may_see(name.tenant, request.name)
        return receiver_to_wire(await self.receivers.delete(name, now=call.now))
