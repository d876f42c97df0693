"""Every write of envelopes: failed, and failed but stored. A retry of the call always ends well, and counts once."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hallmark.v1 import approvals_pb2
from hsm.errors import TokenUnavailable
from hsm.testing import FakeKeyProvider
from kms.core.errors import FailedPrecondition, Reason, ResourceExhausted, Unavailable
from kms.core.names import KeyName
from kms.keys.model import KeyVersionState
from kms.log.model import LogEntry
from support.envelopes_world import VERSION, EnvelopesWorld, envelopes_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EnvelopesWorld]:
    async with envelopes_world(tmp_path) as running:
        yield running


def flaky(world: EnvelopesWorld, fault: Fault) -> None:
    world.keys.keys.database = database = FlakyDatabase(world.keys.world.database)
    database.plan(fault)


async def uses(world: EnvelopesWorld) -> tuple[int, int]:
    """Counted, and logged."""
    key = await world.keys.keys.get(KeyName("default", "telemetry"))
    return key.use_count, len(await world.logged("envelope.opened"))


@pytest.mark.parametrize(("fault", "stored"), [(Fault.LOST_BEFORE, (0, 0)), (Fault.LOST_AFTER, (1, 1))])
async def test_opening(world: EnvelopesWorld, fault: Fault, stored: tuple[int, int]) -> None:
    envelope = world.seal(b"secret", await world.create())
    request_id = str(uuid.uuid4())
    flaky(world, fault)
    with pytest.raises(ConnectionLost):
        await world.open(envelope, request_id=request_id)
    assert await uses(world) == stored
    assert (await world.open(envelope, request_id=request_id)).plaintext == b"secret"
    assert await uses(world) == (1, 1)


@pytest.mark.parametrize("fault", list(Fault))
async def test_making_a_data_key(world: EnvelopesWorld, fault: Fault) -> None:
    await world.create()
    request_id = str(uuid.uuid4())
    flaky(world, fault)
    with pytest.raises(ConnectionLost):
        await world.data_key(request_id=request_id)
    key = await world.data_key(request_id=request_id)
    assert (await world.open(key.envelope)).plaintext == key.plaintext
    assert await world.data_key(request_id=request_id) == key
    assert len(await world.logged("data-key.generated")) == 1


@pytest.mark.parametrize(("fault", "gone"), [(Fault.LOST_BEFORE, False), (Fault.LOST_AFTER, True)])
async def test_shredding(world: EnvelopesWorld, fault: Fault, gone: bool) -> None:
    world.approvals.require(destroy=1)
    envelope = world.seal(b"secret", await world.create())
    await world.keys.rotate("telemetry")
    proposal = await world.approvals.propose(act=approvals_pb2.PROPOSED_ACT_SHRED, subject=VERSION)
    await world.approvals.approve(proposal, "bob")
    again = {"proposal": proposal.name, "request_id": str(uuid.uuid4())}
    flaky(world, fault)
    with pytest.raises(ConnectionLost):
        await world.shred(**again)
    key = await world.keys.keys.get(KeyName("default", "telemetry"))
    assert (key.version(1).state is KeyVersionState.DESTROYED) is gone
    if not gone:
        assert (await world.open(envelope)).plaintext == b"secret"
    assert (await world.shred(**again)).replayed is gone
    with pytest.raises(FailedPrecondition):
        await world.open(envelope)
    assert len(await world.logged("epoch.shredded", "proposal.executed")) == 2


async def test_without_room_in_the_log_nothing_happens(world: EnvelopesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's part of each transaction comes after everything else was written."""

    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    key = await world.create()
    envelope = world.seal(b"secret", key)
    await world.keys.rotate("telemetry")
    with monkeypatch.context() as patch:
        patch.setattr(world.keys.keys.log, "record", refuse)
        for act in (world.open(envelope), world.data_key(), world.shred()):
            with pytest.raises(ResourceExhausted):
                await act
    assert await uses(world) == (0, 0)
    assert (await world.open(envelope)).plaintext == b"secret"


async def test_a_token_that_is_away_when_an_epoch_is_shredded(
    world: EnvelopesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sealed half is in the database: the epoch is gone whatever the token says."""

    async def away(*_given: object, **_named: object) -> None:
        raise TokenUnavailable("the token is away")

    envelope = world.seal(b"secret", await world.create())
    await world.keys.rotate("telemetry")
    monkeypatch.setattr(world.keys.world.provider, "destroy", away)
    await world.shred()
    with pytest.raises(FailedPrecondition):
        await world.open(envelope)


async def test_a_token_that_is_away_when_an_envelope_is_opened(
    world: EnvelopesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_given: object, **_named: object) -> bytes:
        raise TokenUnavailable("the token is away")

    envelope = world.seal(b"secret", await world.create())
    request_id = str(uuid.uuid4())
    with monkeypatch.context() as patch:
        patch.setattr(FakeKeyProvider, "open_envelope", away)
        with pytest.raises(Unavailable):
            await world.open(envelope, request_id=request_id)
    assert await uses(world) == (0, 0)
    assert (await world.open(envelope, request_id=request_id)).plaintext == b"secret"


async def test_a_caller_who_leaves_while_it_opens(world: EnvelopesWorld) -> None:
    envelope, request_id = world.seal(b"secret", await world.create()), str(uuid.uuid4())
    leaving = asyncio.create_task(world.open(envelope, request_id=request_id))
    await asyncio.sleep(0.002)
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    assert (await world.open(envelope, request_id=request_id)).plaintext == b"secret"
    assert await uses(world) == (1, 1)
