"""At a replica with an HSM: what signs the heartbeats of edges."""

from functools import partial

from kms.core.clock import Clock
from kms.edge.notary import Notary
from kms.edge.rpc import EdgeServicer
from kms.events.appending import Events
from kms.events.heartbeats import HeartbeatSigner
from kms.events.replacing import replace_history
from kms.server.local_ca import LOCAL_TENANT


def make_edge_service(events: Events, clock: Clock) -> EdgeServicer:
    notary = Notary(
        database=events.database,
        prover=HeartbeatSigner(events.signing, events.randomness, events.issuer),
        clock=clock,
        replace=partial(replace_history, events),
    )
    return EdgeServicer(notary, LOCAL_TENANT)
