"""EventService on the wire."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from hallmark.v1 import events_pb2, events_pb2_grpc
from kms.core.call import Call
from kms.core.identity import device_of
from kms.core.names import TenantName
from kms.events import wire
from kms.events.acks import AcknowledgementService
from kms.events.cursor import CursorCodec
from kms.events.hub import EventHub
from kms.events.poll import Asked, PollService
from kms.events.streams import Wanted, stream
from kms.events.wheel import Wheel


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


@dataclass(frozen=True, slots=True)
class EventServicer(events_pb2_grpc.EventServiceServicer):
    hub: EventHub
    wheel: Wheel
    polls: PollService
    acknowledgements: AcknowledgementService
    codec: CursorCodec

    def WatchEvents(self, request: events_pb2.WatchEventsRequest, call: Call) -> AsyncGenerator[bytes, None]:
        """WatchEventsResponse messages that are serialised already: most of them go to thousands of callers."""
        tenant, device = _own_tenant(request.parent, call), device_of(call.caller)
        wanted = Wanted(
            tenant=tenant,
            device=device,
            starts=wire.starts_from_wire(request.feeds, tenant, device, self.codec, pages=False),
            nonce=wire.nonce_from_wire(request.nonce),
            interval=wire.interval_from_wire(request),
        )
        return stream(self.hub, self.wheel, wanted)

    async def PollEvents(self, request: events_pb2.PollEventsRequest, call: Call) -> events_pb2.PollEventsResponse:
        tenant, device = _own_tenant(request.parent, call), device_of(call.caller)
        asked = Asked(
            tenant=tenant,
            device=device,
            starts=wire.starts_from_wire(request.feeds, tenant, device, self.codec, pages=True),
            nonce=wire.nonce_from_wire(request.nonce),
            max_events=wire.max_events_from_wire(request.max_events),
            returns_immediately=request.return_immediately,
        )
        said = wire.acknowledgements_from_wire(request.ack, request.set_errs)
        if request.ack or request.set_errs:
            await self.acknowledgements.acknowledge(wire.own_device(device), said, call.now)
        return await self.polls.poll(asked)

    async def AcknowledgeEvents(
        self, request: events_pb2.AcknowledgeEventsRequest, call: Call
    ) -> events_pb2.AcknowledgeEventsResponse:
        _own_tenant(request.parent, call)
        device = wire.own_device(device_of(call.caller))
        said = wire.acknowledgements_from_wire(request.ack, request.set_errs)
        await self.acknowledgements.acknowledge(device, said, call.now)
        return events_pb2.AcknowledgeEventsResponse()
