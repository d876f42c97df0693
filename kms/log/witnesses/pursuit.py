"""Asks one witness about the newest checkpoint until it has cosigned it, at the pace it is fit for.

After a failure it is asked again: after a pause that grows when it was away, after a long one when it refused. Of the
checkpoints that come meanwhile it is asked about the newest only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hallmark_tlog.note import SignatureLine
from kms.core.clock import Clock
from kms.log.errors import LogFrozen
from kms.log.model import PublishedCheckpoint
from kms.log.rounds.backoff import Backoff
from kms.log.witnesses.client import (
    CheckpointOvertaken,
    WitnessAway,
    WitnessClient,
    WitnessContended,
    WitnessContradicts,
    WitnessRefuses,
)

_logger = logging.getLogger(__name__)

_REFUSED_SECONDS: Final = 10.0
_CONTRADICTED_SECONDS: Final = 600.0

Keep = Callable[[PublishedCheckpoint, Sequence[SignatureLine]], Awaitable[None]]
"""Stores verified lines with their checkpoint."""


class Standing(StrEnum):
    """Whether a witness is of use now."""

    UNKNOWN = "unknown"
    COSIGNS = "cosigns"
    AWAY = "away"
    REFUSES = "refuses"
    CONTRADICTS = "contradicts"


@dataclass(slots=True)
class WitnessHealth:
    """What is known of one witness. `name` is the policy's, several for one URL with several keys."""

    name: str
    url: str
    standing: Standing = Standing.UNKNOWN
    size: int = 0
    """Of what it cosigned last, as far as this process knows."""
    last_success: datetime | None = None
    last_error: str | None = None

    def becomes(self, standing: Standing, problem: str | None = None) -> None:
        """One line in the service's log for each change, not for each attempt."""
        self.last_error = problem or self.last_error
        if standing is self.standing:
            return
        self.standing = standing
        match standing:
            case Standing.COSIGNS:
                _logger.info("witness %s (%s) cosigns", self.name, self.url)
            case Standing.CONTRADICTS:
                _logger.critical("witness %s (%s) does not count any more: %s", self.name, self.url, problem)
            case _:
                _logger.warning("witness %s (%s) does not cosign: %s", self.name, self.url, problem)


class Pursuit:
    """Works only while there is a checkpoint to cosign. Belongs to one event loop."""

    def __init__(
        self, client: WitnessClient, *, keep: Keep, attempted: Callable[[], None], clock: Clock, interval_seconds: float
    ) -> None:
        """`attempted` is called after every attempt, whatever came of it."""
        self.health = WitnessHealth(client.name, client.url)
        self.answered = asyncio.Event()
        """After the first attempt."""
        self.frozen: LogFrozen | None = None
        """What the witness proved against this log's database."""
        self._client = client
        self._keep = keep
        self._attempted = attempted
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._backoff = Backoff()
        self._target: PublishedCheckpoint | None = None
        self._done: PublishedCheckpoint | None = None
        self._began = float("-inf")
        self._pause = 0.0
        self._task: asyncio.Task[None] | None = None

    def take(self, target: PublishedCheckpoint) -> None:
        """The newest checkpoint, with the log's own lines only."""
        self._target = target
        if target != self._done and self.frozen is None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name=f"witness {self._client.name}")

    @property
    def is_hopeful(self) -> bool:
        """It is asked about the newest checkpoint, and nothing is known that keeps it from cosigning."""
        is_well = self.health.standing in {Standing.UNKNOWN, Standing.COSIGNS}
        return is_well and self.frozen is None and self._target != self._done

    def seconds_of_interval(self) -> float:
        """Left before the witness may be asked again, at most the interval. Pauses after failures are not in it."""
        return max(0.0, self._began + self._interval_seconds - asyncio.get_running_loop().time())

    async def stop(self) -> None:
        self._client.cut_off()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def close(self) -> None:
        """When its thread has ended."""
        self._client.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._target is not None and self._target != self._done and self.frozen is None:
            await asyncio.sleep(self._began + max(self._interval_seconds, self._pause) - loop.time())
            self._began = loop.time()
            self._pause = await self._attempt(self._target)
            self.health.size = self._client.size
            self.answered.set()
            self._attempted()

    async def _attempt(self, target: PublishedCheckpoint) -> float:
        """Returns the least seconds between this attempt and the next."""
        try:
            await self._keep(target, await self._client.ask(target))
        except CheckpointOvertaken:
            self._done = target
            return 0.0
        except WitnessContended:
            return self._backoff.failed()
        except LogFrozen as error:
            self.frozen = error
            self.health.becomes(Standing.CONTRADICTS, str(error))
            return 0.0
        except WitnessRefuses as error:
            self.health.becomes(Standing.REFUSES, str(error))
            return _REFUSED_SECONDS
        except WitnessContradicts as error:
            self.health.becomes(Standing.CONTRADICTS, str(error))
            return _CONTRADICTED_SECONDS
        except Exception as error:  # WitnessAway, and such as a database that is away: nobody gives up for it
            self.health.becomes(Standing.AWAY, str(error) if isinstance(error, WitnessAway) else repr(error))
            return self._backoff.failed()
        self._done = target
        self._backoff.succeeded()
        self.health.last_success = self._clock.now()
        self.health.becomes(Standing.COSIGNS)
        return 0.0
