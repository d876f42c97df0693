"""EdgeService on the wire, at a replica with an HSM."""

from dataclasses import dataclass

from hallmark.v1 import edge_pb2, edge_pb2_grpc
from kms.core.call import Call
from kms.core.errors import PermissionDenied, Reason
from kms.edge import wire
from kms.edge.notary import Notary


@dataclass(frozen=True, slots=True)
class EdgeServicer(edge_pb2_grpc.EdgeServiceServicer):
    """`operator_tenant`: the one whose edges are ours. An edge serves all tenants, so no other tenant has any."""

    notary: Notary
    operator_tenant: str

    async def SignHeartbeats(
        self, request: edge_pb2.SignHeartbeatsRequest, call: Call
    ) -> edge_pb2.SignHeartbeatsResponse:
        if call.caller.tenant != self.operator_tenant:
            raise PermissionDenied(Reason.ROLE_NOT_ALLOWED, "edges belong to the operators of the service")
        lost, claims = wire.lost_from_wire(request), wire.claims_from_wire(request)
        await self.notary.replace_lost(lost)
        proofs, server_time = await self.notary.sign(claims)
        return wire.proofs_to_wire(proofs, server_time)
