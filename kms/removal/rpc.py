"""RemovalService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import removal_pb2, removal_pb2_grpc
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.identity import device_of
from kms.core.names import ChildName, DigestName, TenantName
from kms.events.model import InitiatingEntity
from kms.keys.paging import page_size, page_token, read_page_token
from kms.log.wire import wants_published
from kms.removal import wire
from kms.removal.model import COLLECTION
from kms.removal.reading import RemovalReader, Wanted
from kms.removal.receiving import ReceiptService
from kms.removal.requests import RemovalOrders


def _own(text: str, call: Call, collection: str, field: str) -> ChildName:
    """Raises InvalidArgument/NAME_INVALID, and the uniform not-found for what is another tenant's."""
    name = ChildName.parse(text, collection, field)
    call.caller.may_see(name.tenant, text)
    return name


def _own_or_none(text: str, call: Call, collection: str, field: str) -> ChildName | None:
    return _own(text, call, collection, field) if text else None


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


@dataclass(frozen=True, slots=True)
class RemovalServicer(removal_pb2_grpc.RemovalServiceServicer):
    orders: RemovalOrders
    receipts: ReceiptService
    reader: RemovalReader

    async def RequestDeletion(self, request: removal_pb2.RequestDeletionRequest, call: Call) -> removal_pb2.Removal:
        artifact = DigestName.parse(request.artifact, "artifacts", "artifact")
        call.caller.may_see(artifact.tenant, request.artifact)
        made = await self.orders.request(
            _own(request.device, call, "devices", "device"),
            artifact,
            deadline=wire.time_from_wire(request, "deadline"),
            reason=request.reason,
            initiating_entity=InitiatingEntity.of(call.caller.role),
            request=RequestKey.of_message(call.caller, call.method, request),
            transaction_id=call.id,
            now=call.now,
        )
        return wire.removal_to_wire(made)

    async def SubmitDeletionReceipt(
        self, request: removal_pb2.SubmitDeletionReceiptRequest, call: Call
    ) -> removal_pb2.DeletionReceiptResponse:
        removal, replayed = await self.receipts.submit(
            _own(request.removal, call, COLLECTION, "removal"),
            device_of(call.caller),
            wire.submission_from_wire(request.receipt),
            request=RequestKey.of_message(call.caller, call.method, request),
            transaction_id=call.id,
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return removal_pb2.DeletionReceiptResponse(removal=wire.removal_to_wire(removal), replayed=replayed)

    async def GetRemoval(self, request: removal_pb2.GetRemovalRequest, call: Call) -> removal_pb2.Removal:
        return wire.removal_to_wire(await self.reader.get(_own(request.name, call, COLLECTION, "name")))

    async def ListRemovals(
        self, request: removal_pb2.ListRemovalsRequest, call: Call
    ) -> removal_pb2.ListRemovalsResponse:
        wanted = Wanted(
            device=_own_or_none(request.device, call, "devices", "device"),
            consent=_own_or_none(request.consent, call, "consents", "consent"),
            state=wire.state_from_wire(request.state),
        )
        found, more = await self.reader.list(
            _own_tenant(request.parent, call),
            wanted,
            before=read_page_token(request.page_token) if request.page_token else "",
            limit=page_size(request.page_size),
        )
        return removal_pb2.ListRemovalsResponse(
            removals=[wire.removal_to_wire(each) for each in found],
            next_page_token=page_token(found[-1].name.id) if more else "",
        )

    async def GetRemovalReport(
        self, request: removal_pb2.GetRemovalReportRequest, call: Call
    ) -> removal_pb2.RemovalReport:
        report = await self.reader.report(
            _own_tenant(request.parent, call),
            since=wire.time_from_wire(request, "since"),
            until=wire.time_from_wire(request, "until"),
            now=call.now,
        )
        return wire.report_to_wire(report)
