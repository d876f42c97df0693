"""Rows of the table of writes: releases, keys given to devices, anchors of their audit chains."""

import hashlib
from typing import Any, Final

import pytest

from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from hallmark.v1 import releases_pb2
from kms.core.errors import FailedPrecondition
from unit.kms.releases.bench import Phone, ReleaseBench, releases_running

Asking = tuple[Phone, dict[str, Any]]


async def _enrolled(bench: ReleaseBench) -> Phone:
    return await bench.enrol()


async def _released(bench: ReleaseBench) -> Asking:
    await bench.create()
    return await bench.enrol(), {}


async def _consented(bench: ReleaseBench) -> Asking:
    await bench.create(requires_consent=True)
    return await bench.enrol(), {"consent": await bench.grant()}


async def _held_and_revoked(bench: ReleaseBench) -> None:
    await bench.create()
    for _ in range(2):
        await bench.request_key(await bench.enrol())
    await bench.revoke()


async def _anchored(bench: ReleaseBench) -> Phone:
    phone = await bench.enrol()
    await bench.anchor(phone, 5, _head(5))
    return phone


async def _wanted(bench: ReleaseBench) -> releases_pb2.CreateReleaseRequest:
    """One for both attempts: sealing the content key anew would make it another call."""
    return bench.wanted(request_id=REQUEST_ID, minimum_epoch=1)


async def _create(bench: ReleaseBench, wanted: Any, database: Any, _attempt: int) -> None:
    bench.use(database)
    await bench.send(wanted)


async def _give(bench: ReleaseBench, asking: Asking, database: Any, _attempt: int) -> None:
    bench.use(database)
    phone, more = asking
    phone.open(await bench.request_key(phone, request_id=REQUEST_ID, **more))


async def _ask_back(bench: ReleaseBench, _: None, database: Any, _attempt: int) -> None:
    bench.use(database)
    await bench.parts.upkeep.request_removals(bench.base.service.clock.now())


async def _anchor(bench: ReleaseBench, phone: Phone, database: Any, _attempt: int) -> None:
    bench.use(database)
    await bench.anchor(phone, 5, _head(5), request_id=REQUEST_ID)


async def _diverge(bench: ReleaseBench, phone: Phone, database: Any, _attempt: int) -> None:
    bench.use(database)
    with pytest.raises(FailedPrecondition, match="only grows"):
        await bench.anchor(phone, 5, _head(6))


def _head(number: int) -> bytes:
    return hashlib.sha256(bytes([number])).digest()


def _row(run: Any, prepare: Any) -> Row:
    return Row(
        world=releases_running, run=run, prepare=prepare, database=lambda bench: bench.database, harmless=CHECKPOINTS
    )


ROWS: Final[dict[str, Row]] = {
    "CreateRelease": _row(_create, _wanted),
    "RequestArtifactKey": _row(_give, _released),
    "RequestArtifactKey with a lease on the way": _row(_give, _consented),
    "holders of a revoked artifact are asked": _row(_ask_back, _held_and_revoked),
    "AnchorDeviceAudit": _row(_anchor, _enrolled),
    "AnchorDeviceAudit that diverges": _row(_diverge, _anchored),
}
