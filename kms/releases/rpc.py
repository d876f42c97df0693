"""ReleaseService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import releases_pb2, releases_pb2_grpc
from kms.artifacts.changing import Asker
from kms.consent.requests import own_tenant
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.events.model import InitiatingEntity
from kms.keys.paging import page_size, page_token
from kms.log.wire import wants_published
from kms.releases import requests, wire
from kms.releases.anchoring import AuditAnchors
from kms.releases.creating import ReleaseCreation
from kms.releases.giving import ArtifactKeys
from kms.releases.service import ReleaseReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseServicer(releases_pb2_grpc.ReleaseServiceServicer):
    creation: ReleaseCreation
    reader: ReleaseReader
    keys: ArtifactKeys
    anchors: AuditAnchors

    async def CreateRelease(
        self, request: releases_pb2.CreateReleaseRequest, call: Call
    ) -> releases_pb2.ReleaseResponse:
        asker = Asker(
            initiating_entity=InitiatingEntity.of(call.caller.role),
            request=RequestKey.of_message(call.caller, call.method, request),
            transaction_id=call.id,
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return wire.created_to_wire(await self.creation.create(requests.release_from_wire(request, call), asker))

    async def GetRelease(self, request: releases_pb2.GetReleaseRequest, call: Call) -> releases_pb2.Release:
        return wire.release_to_wire(await self.reader.get(requests.own_release(request.name, call)))

    async def ListReleases(
        self, request: releases_pb2.ListReleasesRequest, call: Call
    ) -> releases_pb2.ListReleasesResponse:
        tenant, size = own_tenant(request.parent, call), page_size(request.page_size)
        model = requests.own_model(request.model, call) if request.model else None
        after = requests.after_from_wire(request.page_token)
        found = await self.reader.list(tenant, model=model, after=after, limit=size + 1)
        return releases_pb2.ListReleasesResponse(
            releases=[wire.release_to_wire(each) for each in found[:size]],
            next_page_token=page_token(requests.token_of(found[size - 1].release)) if len(found) > size else "",
        )

    async def RequestArtifactKey(
        self, request: releases_pb2.RequestArtifactKeyRequest, call: Call
    ) -> releases_pb2.ArtifactKey:
        given = await self.keys.give(requests.key_wanted_from_wire(request, call))
        return wire.given_to_wire(given, self.keys.leases.giving.issuer.status_uri, call.now)

    async def AnchorDeviceAudit(
        self, request: releases_pb2.AnchorDeviceAuditRequest, call: Call
    ) -> releases_pb2.AnchorDeviceAuditResponse:
        anchored = await self.anchors.anchor(
            requests.anchor_from_wire(request, call),
            request=RequestKey.of_message(call.caller, call.method, request),
            published=wants_published(request.log_wait),
        )
        return wire.anchored_to_wire(anchored)
