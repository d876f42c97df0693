"""Events put together: who makes them, who lets go of them, who distributes them."""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from hallmark_tlog.by_policy import verify_proof_by_policy
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import Policy
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.gathering import Gathering
from kms.core.randomness import Randomness
from kms.events.acks import AcknowledgementService
from kms.events.appending import Events
from kms.events.beating import Beats
from kms.events.cleaning import clean_for_ever
from kms.events.cursor import CursorCodec
from kms.events.deliveries import Deliveries
from kms.events.frames import FrameWriter
from kms.events.heartbeats import HeartbeatSigner
from kms.events.hub import EventHub
from kms.events.poll import PollService
from kms.events.ports import EventObservers
from kms.events.reading import GATHERED_SECONDS, QUESTIONS_MAX, answer_all
from kms.events.releasing import Releaser, Satisfies
from kms.events.replacing import replace_history
from kms.events.rpc import EventServicer
from kms.events.signal import FeedSignal
from kms.events.wheel import Wheel
from kms.keys.signing import SigningService
from kms.log.model import LogPromise
from kms.log.service import TransparencyLog
from kms.log.witnesses.settings import NO_WITNESSES, policy_of_log

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventParts:
    """`run` until cancelled, beside the server: streams say goodbye when it ends."""

    servicer: EventServicer
    hub: EventHub
    beats: Beats
    releaser: Releaser

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run(), name="event-hub")
            group.create_task(self.beats.run(), name="event-heartbeats")
            group.create_task(self.releaser.run(), name="event-releaser")
            group.create_task(clean_for_ever(self.hub.events.database, self.hub.clock), name="event-cleaning")


def make_events(
    *,
    database: Database,
    signing: SigningService,
    log: TransparencyLog,
    randomness: Randomness,
    draining: asyncio.Event,
    issuer: str,
) -> Events:
    """Before everything that makes events."""
    return Events(
        database=database,
        signing=signing,
        log=log,
        randomness=randomness,
        signal=FeedSignal(database, draining),
        issuer=issuer,
    )


def start_events(
    events: Events,
    *,
    clock: Clock,
    codec: CursorCodec,
    witnesses: Policy | None,
    observers: EventObservers | None = None,
) -> EventParts:
    """After everybody who wants to be told. `witnesses`: the policy in the settings of the log (LogSettings)."""
    told = observers or EventObservers()
    hub = EventHub(
        events=events,
        writer=FrameWriter(codec),
        deliveries=Deliveries(told.delivered, clock),
        clock=clock,
        reads=Gathering(events.database, answer_all, at_most=QUESTIONS_MAX, interval_seconds=GATHERED_SECONDS),
        replace=partial(replace_history, events),
        grown=told.grown,
        revoked=told.revoked,
    )
    signer = HeartbeatSigner(events.signing, events.randomness, events.issuer)
    wheel = Wheel(events.randomness)
    servicer = EventServicer(
        hub=hub,
        wheel=wheel,
        polls=PollService(hub, signer),
        acknowledgements=AcknowledgementService(events.database, told.acknowledged),
        codec=codec,
    )
    releaser = Releaser(events, clock, satisfied_by(events.log, witnesses))
    return EventParts(servicer, hub, Beats(hub, signer, wheel), releaser)


def satisfied_by(log: TransparencyLog, witnesses: Policy | None) -> Satisfies:
    """With witnesses, a proof has the quorum that readers of this log ask for; else every published proof will do."""
    if witnesses is None or witnesses.quorum == NO_WITNESSES.quorum:
        return lambda _promise: True

    def satisfies(promise: LogPromise) -> bool:
        assert promise.tlog_proof is not None
        policy = policy_of_log(witnesses, log.verifier_keys())
        try:
            verify_proof_by_policy(promise.tlog_proof, promise.entry, policy, origin=log.origin)
        except TlogError as error:
            _logger.info("an event waits for the witnesses: %s", error)
            return False
        return True

    return satisfies
