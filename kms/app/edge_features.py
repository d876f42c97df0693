"""What an edge serves, put together: streams and reads, and nothing that makes or changes anything but what devices
say of their events.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, cast

from grpc_health.v1 import health_pb2_grpc

from hallmark.v1 import (
    appraisal_pb2_grpc,
    approvals_pb2_grpc,
    artifacts_pb2_grpc,
    collateral_pb2_grpc,
    consent_pb2_grpc,
    devices_pb2_grpc,
    edge_pb2_grpc,
    envelopes_pb2_grpc,
    events_pb2_grpc,
    keys_pb2_grpc,
    log_pb2_grpc,
    removal_pb2_grpc,
    revocation_pb2_grpc,
    ssf_pb2_grpc,
    tenants_pb2_grpc,
)
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.gathering import Gathering
from kms.core.randomness import Randomness
from kms.devices.standing import DeviceStanding
from kms.edge.reads.rpc import DeviceReads, KeyReads, RevocationReads, TrustReads
from kms.edge.remote import RemoteProver
from kms.edge.served import SERVED, SERVED_WITH_FILES, Elsewhere, registration
from kms.edge.shown_log import ShownLog
from kms.events.acks import AcknowledgementService
from kms.events.beating import Beats
from kms.events.cursor import CursorCodec
from kms.events.deliveries import Deliveries
from kms.events.frames import FrameWriter
from kms.events.hub import EventHub
from kms.events.poll import PollService
from kms.events.reading import GATHERED_SECONDS, QUESTIONS_MAX, answer_all
from kms.events.rpc import EventServicer
from kms.events.signal import FeedSignal
from kms.events.wheel import Wheel
from kms.log.entries.entry_stream import EntryStream
from kms.log.entries.finding import EntryFinder
from kms.log.entries.rpc import EntriesRpc, EntryServices
from kms.log.proofs_rpc import ProofsRpc
from kms.log.service import TransparencyLog
from kms.removal.observing import RemovalObserver
from kms.server.grpc_server import Registration

_ELSEWHERE: Final = (
    (approvals_pb2_grpc.add_ApprovalServiceServicer_to_server, approvals_pb2_grpc.ApprovalServiceServicer),
    (appraisal_pb2_grpc.add_AppraisalServiceServicer_to_server, appraisal_pb2_grpc.AppraisalServiceServicer),
    (artifacts_pb2_grpc.add_ArtifactServiceServicer_to_server, artifacts_pb2_grpc.ArtifactServiceServicer),
    (collateral_pb2_grpc.add_CollateralServiceServicer_to_server, collateral_pb2_grpc.CollateralServiceServicer),
    (consent_pb2_grpc.add_ConsentServiceServicer_to_server, consent_pb2_grpc.ConsentServiceServicer),
    (edge_pb2_grpc.add_EdgeServiceServicer_to_server, edge_pb2_grpc.EdgeServiceServicer),
    (envelopes_pb2_grpc.add_EnvelopeServiceServicer_to_server, envelopes_pb2_grpc.EnvelopeServiceServicer),
    (keys_pb2_grpc.add_SigningServiceServicer_to_server, keys_pb2_grpc.SigningServiceServicer),
    (removal_pb2_grpc.add_RemovalServiceServicer_to_server, removal_pb2_grpc.RemovalServiceServicer),
    (ssf_pb2_grpc.add_SsfServiceServicer_to_server, ssf_pb2_grpc.SsfServiceServicer),
    (tenants_pb2_grpc.add_TenantServiceServicer_to_server, tenants_pb2_grpc.TenantServiceServicer),
)


@dataclass(frozen=True, slots=True)
class FeedSource:
    """A kms.events.ports.Source without anything that makes events."""

    database: Database
    signal: FeedSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeGround:
    """What an edge stands on. `log`: None without the public files."""

    database: Database
    clock: Clock
    randomness: Randomness
    standing: DeviceStanding
    codec: CursorCodec
    prover: RemoteProver
    log: ShownLog | None
    elsewhere: Elsewhere
    draining: asyncio.Event


class LogReads(ProofsRpc, EntriesRpc, log_pb2_grpc.LogServiceServicer):
    """Of LogService, what public files and database answer."""

    def __init__(self, log: TransparencyLog, services: EntryServices, *, origin: str) -> None:
        ProofsRpc.__init__(self, log, origin=origin)
        EntriesRpc.__init__(self, services, origin=origin)


@dataclass(slots=True)
class EdgeFeatures:
    """`registrations` for the gRPC server; `run` beside it, until cancelled: streams say goodbye when it ends."""

    registrations: list[Registration]
    hub: EventHub
    beats: Beats
    log: ShownLog | None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run(), name="event-hub")
            group.create_task(self.beats.run(), name="event-heartbeats")
            if self.log is not None:
                group.create_task(self.log.run(), name="shown-log")


def make_edge_features(ground: EdgeGround, health: object) -> EdgeFeatures:
    """`health`: the servicer of health checks."""
    hub, beats, events = _events(ground)
    served = SERVED | (SERVED_WITH_FILES if ground.log is not None else frozenset())

    def register(add: Any, servicer: object) -> Registration:
        return registration(add, servicer, served=served, elsewhere=ground.elsewhere)

    log = log_pb2_grpc.LogServiceServicer() if ground.log is None else _log_reads(ground, ground.log)
    registrations = [
        register(events_pb2_grpc.add_EventServiceServicer_to_server, events),
        register(keys_pb2_grpc.add_KeyServiceServicer_to_server, KeyReads(ground.database)),
        register(keys_pb2_grpc.add_TrustServiceServicer_to_server, TrustReads(ground.database)),
        register(devices_pb2_grpc.add_DeviceServiceServicer_to_server, DeviceReads(ground.database)),
        register(
            revocation_pb2_grpc.add_RevocationServiceServicer_to_server, RevocationReads(ground.database, ground.codec)
        ),
        register(log_pb2_grpc.add_LogServiceServicer_to_server, log),
        register(health_pb2_grpc.add_HealthServicer_to_server, health),
        *(register(add, base()) for add, base in _ELSEWHERE),
    ]
    return EdgeFeatures(registrations, hub, beats, ground.log)


def _events(ground: EdgeGround) -> tuple[EventHub, Beats, EventServicer]:
    observer = RemovalObserver(ground.database)
    hub = EventHub(
        events=FeedSource(ground.database, FeedSignal(ground.database, ground.draining)),
        writer=FrameWriter(ground.codec),
        deliveries=Deliveries(observer, ground.clock),
        clock=ground.clock,
        reads=Gathering(ground.database, answer_all, at_most=QUESTIONS_MAX, interval_seconds=GATHERED_SECONDS),
        replace=ground.prover.replace,
        grown=ground.standing.forget,
        revoked=ground.standing.revoked,
    )
    wheel = Wheel(ground.randomness)
    servicer = EventServicer(
        hub=hub,
        wheel=wheel,
        polls=PollService(hub, ground.prover),
        acknowledgements=AcknowledgementService(ground.database, observer),
        codec=ground.codec,
    )
    return hub, Beats(hub, ground.prover, wheel), servicer


def _log_reads(ground: EdgeGround, shown: ShownLog) -> LogReads:
    log = cast("TransparencyLog", shown)  # what these parts ask of it, ShownLog has: the reading half
    services = EntryServices(
        finder=EntryFinder(ground.database, log),
        stream=EntryStream(ground.database, log, ground.draining),
        commitments=cast("Any", None),  # OpenCommitments, EraseCommitments and GetCoseReceipt are served elsewhere
        receipts=cast("Any", None),
    )
    return LogReads(log, services, origin=shown.origin)
