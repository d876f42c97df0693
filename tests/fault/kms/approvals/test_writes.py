"""Every write of approvals: failed, and failed but stored. A retry of the call always ends well, and counts once."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hallmark.v1 import approvals_pb2
from kms.core.errors import FailedPrecondition, Reason, ResourceExhausted
from kms.log.model import LogEntry
from support.approvals_world import DESTROY, ApprovalsWorld, approvals_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalsWorld]:
    async with approvals_world(tmp_path) as running:
        yield running


def flaky(world: ApprovalsWorld, fault: Fault) -> None:
    world.approvals.database = database = FlakyDatabase(world.world.database)
    database.plan(fault)


async def logged(world: ApprovalsWorld) -> list[str]:
    raw = await world.world.read(lambda tx: list(tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()))
    types = [json.loads(entry)["type"] for entry in raw]
    return [kind.removeprefix("proposal.") for kind in types if kind.startswith("proposal.")]


@pytest.mark.parametrize("fault", list(Fault))
async def test_proposing(world: ApprovalsWorld, fault: Fault) -> None:
    flaky(world, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await world.propose(request_id=request_id)
    assert len((await world.list()).proposals) == (fault is Fault.LOST_AFTER)
    made = await world.propose(request_id=request_id)
    assert [proposal.name for proposal in (await world.list()).proposals] == [made.name]
    assert await logged(world) == ["created"]


@pytest.mark.parametrize("fault", list(Fault))
async def test_approving(world: ApprovalsWorld, fault: Fault) -> None:
    world.require(destroy=2)
    made = await world.propose()
    again = {"request_id": str(uuid.uuid4()), "signature": world.person("bob").sign(made.payload)}
    flaky(world, fault)
    with pytest.raises(ConnectionLost):
        await world.approve(made, "bob", **again)
    assert len((await world.get(made.name)).approvals) == (fault is Fault.LOST_AFTER)
    assert len((await world.approve(made, "bob", **again)).approvals) == 1
    assert await logged(world) == ["created", "approved"]


@pytest.mark.parametrize("fault", list(Fault))
async def test_rejecting(world: ApprovalsWorld, fault: Fault) -> None:
    made = await world.propose()
    flaky(world, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await world.reject(made.name, "bob", request_id=request_id)
    rejected = await world.reject(made.name, "bob", request_id=request_id)
    assert rejected.state == approvals_pb2.PROPOSAL_STATE_REJECTED
    assert await logged(world) == ["created", "rejected"]


@pytest.mark.parametrize(("fault", "used"), [(Fault.LOST_BEFORE, False), (Fault.LOST_AFTER, True)])
async def test_an_act_and_the_use_of_its_approval_commit_together(
    world: ApprovalsWorld, fault: Fault, used: bool
) -> None:
    made = await world.approve(await world.propose(), "bob")
    database = FlakyDatabase(world.world.database)
    database.plan(fault)
    with pytest.raises(ConnectionLost):
        await database.write(lambda tx: world.approvals.consume(tx, made.name, DESTROY, world.clock.now()))
    if used:
        with pytest.raises(FailedPrecondition) as refused:
            await world.consume(made.name)
        assert refused.value.reason is Reason.PROPOSAL_USED
    else:
        await world.consume(made.name)
    assert await logged(world) == ["created", "approved", "executed"]


async def test_without_room_in_the_log_nothing_happens(world: ApprovalsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    made = await world.propose()
    with monkeypatch.context() as patch:
        patch.setattr(world.approvals.log, "record", refuse)
        for act in (world.propose(), world.approve(made, "bob"), world.reject(made.name, "bob")):
            with pytest.raises(ResourceExhausted):
                await act
    assert await world.get(made.name) == made
    approved = await world.approve(made, "bob")
    with monkeypatch.context() as patch:
        patch.setattr(world.approvals.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await world.consume(made.name)
    assert await world.get(made.name) == approved
