"""What works and what does not: the parts of a server, asked at most once a second, and the standard health service
(grpc.health.v1) over them, behind the same guard as everything else.

Names: "" (the process takes calls), "database", "hsm", "hsm/{label of the token}", "log", and each gRPC service such as
"hallmark.v1.SigningService", which works when all that it needs does. "Up" is not "HSM usable": a server whose HSM is
away takes calls, answers reads, and streams revocations.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from grpc_health.v1 import health_pb2, health_pb2_grpc

from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.errors import not_found

FRESH_SECONDS: Final = 1.0
LATE_SECONDS: Final = 3.0
"""A part that does not answer within this time does not work."""
_WATCH_SECONDS: Final = 2.0
Probe: TypeAlias = Callable[[], Awaitable[str]]
"""What keeps a part from working; empty when it works. Never raises for what it is there to find."""


class _Asked:
    """One part. However many want to know, it is asked once a second."""

    def __init__(self, probe: Probe, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked_at: float | None = None
        self._problem = ""

    async def problem(self) -> str:
        async with self._lock:
            now = self._clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= FRESH_SECONDS:
                try:
                    async with asyncio.timeout(LATE_SECONDS):
                        self._problem = await self._probe()
                except TimeoutError:
                    self._problem = f"it does not answer within {LATE_SECONDS:g} s"
                self._asked_at = self._clock.monotonic()
        return self._problem


@dataclass(slots=True)
class Health:
    """Of one server. `add` what there is before it serves; `started` is set when it does."""

    clock: Clock
    draining: asyncio.Event
    started: asyncio.Event = field(default_factory=asyncio.Event)
    _parts: dict[str, _Asked] = field(default_factory=dict)
    _needs: dict[str, Sequence[str]] = field(default_factory=dict)
    _readiness: tuple[str, ...] = ()

    def add(self, part: str, probe: Probe, *, for_readiness: bool = False) -> None:
        """`for_readiness`: a server without it should get no new connections."""
        self._parts[part] = _Asked(probe, self.clock)
        if for_readiness:
            self._readiness = (*self._readiness, part)

    def need(self, services: Mapping[str, Sequence[str]]) -> None:
        """Services that are served by gRPC, and the parts each needs. Parts that this server has not do not count."""
        self._needs.update(services)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self._parts)

    async def problem(self, name: str) -> str | None:
        """What keeps a part, a service, or "" (the process) from working: empty for nothing, None for no such name."""
        if name and name not in self._parts and name not in self._needs:
            return None
        if self.draining.is_set():
            return "the server is closing"
        if not self.started.is_set() and name not in self._parts:
            return "the server is starting"
        if name in self._parts:
            return await self._parts[name].problem()
        parts = [part for part in self._needs.get(name, ()) if part in self._parts]
        problems = await asyncio.gather(*(self._parts[part].problem() for part in parts))
        return "; ".join(f"{part}: {found}" for part, found in zip(parts, problems, strict=True) if found)

    async def unready(self) -> str:
        """Why no new connections should come; empty: they should."""
        problem = await self.problem("")
        if problem:
            return problem
        problems = [await self._parts[part].problem() for part in self._readiness]
        return "; ".join(f"{part}: {found}" for part, found in zip(self._readiness, problems, strict=True) if found)

    async def all_parts(self) -> dict[str, str]:
        """The problem of each part."""
        problems = await asyncio.gather(*(part.problem() for part in self._parts.values()))
        return dict(zip(self._parts, problems, strict=True))


@dataclass(frozen=True, slots=True)
class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    health: Health

    async def Check(self, request: health_pb2.HealthCheckRequest, call: Call) -> health_pb2.HealthCheckResponse:  # noqa: ARG002, N802
        return health_pb2.HealthCheckResponse(status=await self._status(request.service))

    async def Watch(  # noqa: N802
        self,
        request: health_pb2.HealthCheckRequest,
        call: Call,  # noqa: ARG002
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        last, draining = None, self.health.draining
        while True:
            status = await self._status(request.service)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            if draining.is_set():
                return
            last = status
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(draining.wait(), _WATCH_SECONDS)

    async def _status(self, service: str) -> health_pb2.HealthCheckResponse.ServingStatus:
        problem = await self.health.problem(service)
        if problem is None:
            raise not_found(f"health of {service!r}")
        good = health_pb2.HealthCheckResponse.SERVING
        return health_pb2.HealthCheckResponse.NOT_SERVING if problem else good
