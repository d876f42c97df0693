"""ArtifactService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import artifacts_pb2, artifacts_pb2_grpc
from kms.artifacts import wire
from kms.artifacts.changing import Asker
from kms.artifacts.model import COLLECTION, ModelName
from kms.artifacts.service import ArtifactStatusService, Outcome
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import DigestName, TenantName
from kms.events.model import InitiatingEntity
from kms.keys.paging import page_size, page_token, read_page_token
from kms.log.wire import promise_to_wire, wants_published

_Mutation = artifacts_pb2.SetArtifactStatusRequest | artifacts_pb2.SetMinimumVersionRequest


def _asker(request: _Mutation, call: Call) -> Asker:
    return Asker(
        initiating_entity=InitiatingEntity.of(call.caller.role),
        request=RequestKey.of_message(call.caller, call.method, request),
        transaction_id=call.id,
        now=call.now,
        published=wants_published(request.log_wait),
    )


def _response(outcome: Outcome) -> artifacts_pb2.ArtifactStatusResponse:
    status, promise, replayed = outcome
    return artifacts_pb2.ArtifactStatusResponse(
        status=wire.status_to_wire(status), log=promise_to_wire(promise), replayed=replayed
    )


@dataclass(frozen=True, slots=True)
class ArtifactServicer(artifacts_pb2_grpc.ArtifactServiceServicer):
    artifacts: ArtifactStatusService

    async def SetArtifactStatus(
        self, request: artifacts_pb2.SetArtifactStatusRequest, call: Call
    ) -> artifacts_pb2.ArtifactStatusResponse:
        name = DigestName.parse(request.name, COLLECTION)
        call.caller.may_see(name.tenant, request.name)
        state = wire.state_from_wire(request.state)
        return _response(await self.artifacts.set_state(name, state, _asker(request, call)))

    async def SetMinimumVersion(
        self, request: artifacts_pb2.SetMinimumVersionRequest, call: Call
    ) -> artifacts_pb2.ArtifactStatusResponse:
        name = ModelName.parse(request.name)
        call.caller.may_see(name.tenant, request.name)
        version = request.minimum_version
        return _response(await self.artifacts.set_minimum_version(name, version, _asker(request, call)))

    async def ListArtifactStatuses(
        self, request: artifacts_pb2.ListArtifactStatusesRequest, call: Call
    ) -> artifacts_pb2.ListArtifactStatusesResponse:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        size, after = page_size(request.page_size), read_page_token(request.page_token)
        found = await self.artifacts.list(tenant, after=after, limit=size + 1)
        return artifacts_pb2.ListArtifactStatusesResponse(
            statuses=[wire.status_to_wire(status) for status in found[:size]],
            next_page_token=page_token(str(found[size - 1].name)) if len(found) > size else "",
        )
