"""Artifacts over the service of revocation, in memory."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark.v1 import artifacts_pb2
from kms.artifacts.revocable import RevocableArtifacts
from kms.artifacts.rpc import ArtifactServicer
from kms.artifacts.service import ArtifactStatusService
from kms.core.identity import Role
from kms.events import history
from kms.events.model import GLOBAL, Event
from kms.events.releasing import Releaser
from unit.kms.revocation.bench import TENANT, Bench, running

DIGEST = "5e" * 32
ARTIFACT = f"tenants/{TENANT}/artifacts/{DIGEST}"
MODEL = f"tenants/{TENANT}/models/fraud-net"
VALID, REVOKED, SUSPENDED = (
    artifacts_pb2.ARTIFACT_STATE_VALID,
    artifacts_pb2.ARTIFACT_STATE_REVOKED,
    artifacts_pb2.ARTIFACT_STATE_SUSPENDED,
)


@dataclass
class ArtifactBench:
    service: Bench
    servicer: ArtifactServicer

    async def set(
        self, state: artifacts_pb2.ArtifactState, *, name: str = ARTIFACT, request_id: str = "", tenant: str = TENANT
    ) -> artifacts_pb2.ArtifactStatusResponse:
        request = artifacts_pb2.SetArtifactStatusRequest(
            name=name, state=state, request_id=request_id or str(uuid.uuid4())
        )
        return await self.servicer.SetArtifactStatus(request, self.service.call("SetArtifactStatus", tenant=tenant))

    async def minimum(self, version: int, *, request_id: str = "") -> artifacts_pb2.ArtifactStatusResponse:
        request = artifacts_pb2.SetMinimumVersionRequest(
            name=MODEL, minimum_version=version, request_id=request_id or str(uuid.uuid4())
        )
        return await self.servicer.SetMinimumVersion(request, self.service.call("SetMinimumVersion"))

    async def list(self, **fields: Any) -> artifacts_pb2.ListArtifactStatusesResponse:
        request = artifacts_pb2.ListArtifactStatusesRequest(**{"parent": f"tenants/{TENANT}", **fields})
        return await self.servicer.ListArtifactStatuses(request, self.service.call("List", role=Role.AUDITOR))

    async def told(self) -> Sequence[Event]:
        """The global feed, every event of it."""
        placed = await self.service.database.read(lambda tx: history.events_after(tx, TENANT, GLOBAL, 0, limit=100))
        return [each.event for each in placed]

    async def release(self) -> int:
        """What the log has published is let go."""
        releaser = Releaser(self.service.revocations.events, self.service.clock, lambda _promise: True)
        waiting = asyncio.create_task(releaser.release_due())
        while not waiting.done():
            await self.service.log.step()
            await asyncio.sleep(0.002)
        return await waiting


def own(event: Event) -> dict[str, Any]:
    """Our members of an event, and its type's last word."""
    ((uri, members),) = json.loads(event.payload)["events"].items()
    found: dict[str, Any] = members["hallmark.v1"]
    return {"type": uri.rpartition("/")[2], **found}


@contextlib.asynccontextmanager
async def artifacts_running(folder: Path) -> AsyncIterator[ArtifactBench]:
    async with running(folder) as service:
        service.revocations.subjects = {**service.revocations.subjects, "artifacts": RevocableArtifacts()}
        yield ArtifactBench(service, ArtifactServicer(ArtifactStatusService(events=service.revocations.events)))
