"""CollateralService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import collateral_pb2, collateral_pb2_grpc
from kms.collateral import wire
from kms.collateral.anchor_service import AnchorService
from kms.collateral.anchors import AnchorName
from kms.collateral.model import COLLECTION, CollateralState
from kms.collateral.service import CollateralService
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import ChildName, TenantName
from kms.log.wire import promise_to_wire, wants_published

_Mutation = (
    collateral_pb2.PutCollateralRequest
    | collateral_pb2.RemoveCollateralRequest
    | collateral_pb2.AddAnchorRequest
    | collateral_pb2.RemoveAnchorRequest
)


def _request_key(request: _Mutation, call: Call) -> RequestKey:
    return RequestKey.of(call.caller, request.request_id, call.method, request.SerializeToString(deterministic=True))


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def _own_anchor(name: str, call: Call) -> AnchorName:
    parsed = AnchorName.parse(name)
    call.caller.may_see(parsed.tenant, name)
    return parsed


@dataclass(frozen=True, slots=True)
class CollateralServicer(collateral_pb2_grpc.CollateralServiceServicer):
    collateral: CollateralService
    anchors: AnchorService

    async def PutCollateral(
        self, request: collateral_pb2.PutCollateralRequest, call: Call
    ) -> collateral_pb2.PutCollateralResponse:
        answer, replayed = await self.collateral.put(
            _own_tenant(request.parent, call),
            wire.offer_from_wire(request, call.now),
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return collateral_pb2.PutCollateralResponse(
            collateral=wire.item_to_wire(answer.item, CollateralState.IN_FORCE),
            changed=answer.changed,
            log=promise_to_wire(answer.promise),
            replayed=replayed,
        )

    async def ListCollateral(
        self, request: collateral_pb2.ListCollateralRequest, call: Call
    ) -> collateral_pb2.ListCollateralResponse:
        tenant = _own_tenant(request.parent, call)
        kind = wire.filter_from_wire(request.kind)
        items = self.collateral.items(tenant, now=call.now)
        return collateral_pb2.ListCollateralResponse(
            collateral=[wire.item_to_wire(item, state) for item, state in items if kind in {None, item.kind}],
            sources=[
                wire.source_to_wire(status) for status in self.collateral.sources() if kind in {None, status.kind}
            ],
        )

    async def RemoveCollateral(
        self, request: collateral_pb2.RemoveCollateralRequest, call: Call
    ) -> collateral_pb2.RemoveCollateralResponse:
        name = ChildName.parse(request.name, COLLECTION)
        call.caller.may_see(name.tenant, request.name)
        answer, replayed = await self.collateral.remove(
            name,
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return collateral_pb2.RemoveCollateralResponse(log=promise_to_wire(answer.promise), replayed=replayed)

    async def AddAnchor(self, request: collateral_pb2.AddAnchorRequest, call: Call) -> collateral_pb2.AddAnchorResponse:
        answer, replayed = await self.anchors.add(
            _own_tenant(request.parent, call),
            wire.anchor_from_wire(request.anchor, f"added by {call.caller.name}"),
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return collateral_pb2.AddAnchorResponse(
            anchor=wire.anchor_to_wire(answer.anchor), log=promise_to_wire(answer.promise), replayed=replayed
        )

    async def GetAnchor(self, request: collateral_pb2.GetAnchorRequest, call: Call) -> collateral_pb2.Anchor:
        return wire.anchor_to_wire(self.anchors.get(_own_anchor(request.name, call)))

    async def ListAnchors(
        self, request: collateral_pb2.ListAnchorsRequest, call: Call
    ) -> collateral_pb2.ListAnchorsResponse:
        found = self.anchors.all(_own_tenant(request.parent, call))
        return collateral_pb2.ListAnchorsResponse(anchors=[wire.anchor_to_wire(own) for own in found])

    async def RemoveAnchor(
        self, request: collateral_pb2.RemoveAnchorRequest, call: Call
    ) -> collateral_pb2.RemoveAnchorResponse:
        answer, replayed = await self.anchors.remove(
            _own_anchor(request.name, call),
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return collateral_pb2.RemoveAnchorResponse(log=promise_to_wire(answer.promise), replayed=replayed)
