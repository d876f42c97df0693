"""The standard health service (grpc.health.v1), behind the same guard as everything else.

Services: "" (the process takes calls) and "hsm" (a real signature was made within the last seconds).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from grpc_health.v1 import health_pb2, health_pb2_grpc

from kms.core.call import Call
from kms.core.errors import not_found

_CHECK_SECONDS = 5.0
Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc_health has no types
    probes: dict[str, Probe]
    draining: asyncio.Event

    async def Check(self, request: health_pb2.HealthCheckRequest, call: Call) -> health_pb2.HealthCheckResponse:  # noqa: ARG002, N802
        return health_pb2.HealthCheckResponse(status=await self._status(request.service))

    async def Watch(  # noqa: N802
        self,
        request: health_pb2.HealthCheckRequest,
        call: Call,  # noqa: ARG002
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        last = None
        while True:
            status = await self._status(request.service)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            if self.draining.is_set():
                return
            last = status
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.draining.wait(), _CHECK_SECONDS)

    async def _status(self, service: str) -> health_pb2.HealthCheckResponse.ServingStatus:
        probe = self.probes.get(service)
        if probe is None:
            raise not_found(f"health of {service!r}")
        good = await probe()
        return health_pb2.HealthCheckResponse.SERVING if good else health_pb2.HealthCheckResponse.NOT_SERVING
