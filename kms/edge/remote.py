"""At an edge: heartbeats that a replica with an HSM signs (a kms.events.heartbeats.Prover).

While one call is under way the next claims gather, so a storm of polls costs few calls. Replicas are asked in turn;
when none answers, nobody is asked for a while, and streams go on without proof of freshness.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from kms.edge.wire import CLAIMS_MAX, AnswerInvalid, Lost
from kms.events.heartbeats import Claim, Proof, Unproved

PAUSE_SECONDS: Final = 5.0
"""After nobody has answered."""
WAITING_MAX: Final = 20_000
"""Claims in memory; more are not proved. An edge holds 10,000 streams."""
_logger = logging.getLogger(__name__)


class ReplicaAway(Exception):
    """The replica did not sign: not there, too slow, without its HSM, or it refuses this edge. The text says which."""


class SigningReplica(Protocol):
    """One address that signs."""

    async def sign(self, claims: Sequence[Claim], lost: Sequence[Lost]) -> list[Proof | Unproved]:
        """In the order of the claims. Raises ReplicaAway, AnswerInvalid."""

    async def close(self) -> None: ...


@dataclass(slots=True)
class RemoteProver:
    """One for the process. `replicas`: the one that answered last is asked first."""

    replicas: list[SigningReplica]
    pause_seconds: float = PAUSE_SECONDS
    _waiting: deque[tuple[Claim, asyncio.Future[Proof | Unproved]]] = field(default_factory=deque)
    _worker: asyncio.Task[None] | None = None
    _not_before: float = 0.0
    _told: bool = False

    async def prove(self, claims: Sequence[Claim], now: datetime) -> list[Proof | Unproved]:  # noqa: ARG002
        """The time in the proofs is that of the replica that signs."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before or len(self._waiting) + len(claims) > WAITING_MAX:
            return [Unproved.AWAY] * len(claims)
        answers: list[asyncio.Future[Proof | Unproved]] = [loop.create_future() for _ in claims]
        self._waiting.extend(zip(claims, answers, strict=True))
        if self._worker is None and self._waiting:
            self._worker = asyncio.create_task(self._work(), name="remote-heartbeats")
        return list(await asyncio.gather(*answers))

    async def replace(self, tenant: str, epoch: bytes, now: datetime) -> None:  # noqa: ARG002
        """A kms.events.ports.ReplaceHistory: a replica that may write does it. What can not be told now is told again
        by the next who needs it.
        """
        await self._sign([], [Lost(tenant, epoch)])

    async def close(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for replica in self.replicas:
            await replica.close()

    async def _work(self) -> None:
        some: list[tuple[Claim, asyncio.Future[Proof | Unproved]]] = []
        try:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), CLAIMS_MAX))]
                answers = await self._sign([claim for claim, _ in some], [])
                for (_, future), answer in zip(some, answers, strict=True):
                    _settle(future, answer)
        finally:
            self._worker = None
            for _, future in (*some, *self._waiting):
                _settle(future, Unproved.AWAY)
            self._waiting.clear()

    async def _sign(self, claims: Sequence[Claim], lost: Sequence[Lost]) -> list[Proof | Unproved]:
        problems: list[str] = []
        for replica in list(self.replicas):
            try:
                answers = await replica.sign(claims, lost)
            except (ReplicaAway, AnswerInvalid) as error:
                problems.append(str(error))
                self.replicas.append(self.replicas.pop(0))
                continue
            if self._told:
                _logger.info("heartbeats are signed again")
            self._told = False
            return answers
        if not self._told:
            _logger.warning("no API replica signs heartbeats, streams go on without them: %s", "; ".join(problems))
        self._told = True
        self._not_before = asyncio.get_running_loop().time() + self.pause_seconds
        return [Unproved.AWAY] * len(claims)


def _settle(future: asyncio.Future[Proof | Unproved], answer: Proof | Unproved) -> None:
    """Whoever waited may have left."""
    if not future.done():
        future.set_result(answer)
