"""Events and the feeds they are told in, put together."""

import asyncio

from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.events.appending import Events
from kms.events.signal import FeedSignal
from kms.keys.signing import SigningService
from kms.log.service import TransparencyLog


def make_events(
    *,
    database: Database,
    signing: SigningService,
    log: TransparencyLog,
    randomness: Randomness,
    draining: asyncio.Event,
    issuer: str,
) -> Events:
    """`issuer` is the iss of every event, a URI."""
    return Events(
        database=database,
        signing=signing,
        log=log,
        randomness=randomness,
        signal=FeedSignal(database, draining),
        issuer=issuer,
    )
