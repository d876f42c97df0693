"""What devices with plain HTTP read, put together."""

from collections.abc import Callable
from datetime import timedelta

from kms.config import Config
from kms.core.clock import Clock
from kms.core.database import Database
from kms.events.appending import Events
from kms.events.releasing import Satisfies
from kms.keys.algorithms import ALGORITHMS
from kms.keys.service import KeyService
from kms.public.files import PublicFiles
from kms.status.model import TOKEN_KEY_ID, Pace
from kms.status.place import StatusPlace
from kms.status.publisher import RemovalTimes, SnapshotPublisher
from kms.status.schedule import SnapshotSchedule
from kms.status.tokens import TokenSigner


async def ensure_status_key(keys: KeyService, clock: Clock) -> None:
    """Made at first start."""
    await keys.ensure_service_key(TOKEN_KEY_ID, clock.now(), algorithm=ALGORITHMS["ECDSA_P256_SHA256"])


def make_status_place(config: Config, database: Database, listening: Callable[[], str]) -> StatusPlace:
    """`listening`: the URL of the public files' own port, once it is open."""
    return StatusPlace(database, config.events.public_url, listening)


def make_status(
    config: Config,
    events: Events,
    *,
    files: PublicFiles,
    place: StatusPlace,
    satisfies: Satisfies,
    clock: Clock,
    removal_times: RemovalTimes,
) -> SnapshotSchedule:
    """`files`: all public files, not those of the log alone. Its `run` is not started."""
    settings = config.events
    publisher = SnapshotPublisher(
        events=events,
        files=files,
        place=place,
        tokens=TokenSigner(events.signing),
        pace=Pace(
            interval=timedelta(seconds=settings.snapshot_interval_seconds),
            lifetime=timedelta(seconds=settings.snapshot_lifetime_seconds),
        ),
        satisfies=satisfies,
        removal_times=removal_times,
    )
    return SnapshotSchedule(publisher=publisher, clock=clock)
