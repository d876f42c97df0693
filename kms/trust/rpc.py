"""TrustService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from kms.core.call import Call
from kms.core.names import KeyName, TenantName
from kms.keys.model import SYSTEM_TENANT
from kms.keys.wire import readiness_to_wire, service_signature_to_wire
from kms.log.wire import promise_to_wire
from kms.trust.service import TrustService


@dataclass(frozen=True, slots=True)
class TrustServicer(keys_pb2_grpc.TrustServiceServicer):
    trust: TrustService

    async def GetTrustBundle(self, request: keys_pb2.GetTrustBundleRequest, call: Call) -> keys_pb2.TrustBundle:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        bundle = await self.trust.bundle(tenant, call.now)
        return keys_pb2.TrustBundle(
            payload=bundle.payload,
            signature=service_signature_to_wire(bundle.signature),
            sequence=bundle.sequence,
            log=promise_to_wire(bundle.promise),
            public_path=bundle.public_path,
        )

    async def AcknowledgeTrustBundle(
        self, request: keys_pb2.AcknowledgeTrustBundleRequest, call: Call
    ) -> keys_pb2.AcknowledgeTrustBundleResponse:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        latest = await self.trust.acknowledge(tenant, call.caller.spiffe_id, request.sequence, call.now)
        return keys_pb2.AcknowledgeTrustBundleResponse(latest_sequence=latest)

    async def GetRotationReadiness(
        self, request: keys_pb2.GetRotationReadinessRequest, call: Call
    ) -> keys_pb2.RotationReadiness:
        name = KeyName.parse(request.name)
        if name.tenant != SYSTEM_TENANT:
            call.caller.may_see(name.tenant, request.name)
        return readiness_to_wire(await self.trust.readiness_of(name, call.caller.tenant, call.now))
