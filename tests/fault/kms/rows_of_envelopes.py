"""Rows of the table of writes: envelopes and approvals."""

from typing import Any, Final

from fault.kms.write_table import REQUEST_ID, Row
from hallmark.v1 import approvals_pb2
from support.approvals_world import ApprovalsWorld, approvals_world
from support.envelopes_world import VERSION, EnvelopesWorld, envelopes_world


async def _sealed(world: EnvelopesWorld) -> bytes:
    return world.seal(b"secret", await world.create())


async def _open(world: EnvelopesWorld, envelope: bytes, database: Any, _attempt: int) -> None:
    world.keys.keys.database = database
    assert (await world.open(envelope, request_id=REQUEST_ID)).plaintext == b"secret"


async def _data_key(world: EnvelopesWorld, _envelope: bytes, database: Any, _attempt: int) -> None:
    world.keys.keys.database = database
    await world.data_key(request_id=REQUEST_ID)


async def _with_an_approved_shredding(world: EnvelopesWorld) -> str:
    world.approvals.require(destroy=1)
    await _sealed(world)
    await world.keys.rotate("telemetry")
    proposal = await world.approvals.propose(act=approvals_pb2.PROPOSED_ACT_SHRED, subject=VERSION)
    await world.approvals.approve(proposal, "bob")
    return proposal.name


async def _shred(world: EnvelopesWorld, proposal: str, database: Any, _attempt: int) -> None:
    world.keys.keys.database = database
    await world.shred(proposal=proposal, request_id=REQUEST_ID)


def _in_envelopes_world(run: Any, prepare: Any = _sealed) -> Row:
    return Row(world=envelopes_world, run=run, prepare=prepare, database=lambda world: world.keys.world.database)


async def _propose(world: ApprovalsWorld, _: Any, database: Any, _attempt: int) -> None:
    world.approvals.database = database
    await world.propose(request_id=REQUEST_ID)


async def _approve(world: ApprovalsWorld, proposal: Any, database: Any, _attempt: int) -> None:
    """Signed anew each time, as a caller does who was cut off."""
    world.approvals.database = database
    await world.approve(proposal, "bob", request_id=REQUEST_ID)


async def _reject(world: ApprovalsWorld, proposal: Any, database: Any, _attempt: int) -> None:
    world.approvals.database = database
    await world.reject(proposal.name, "bob", request_id=REQUEST_ID)


def _in_approvals_world(run: Any, prepare: Any = None) -> Row:
    return Row(world=approvals_world, run=run, prepare=prepare, database=lambda world: world.world.database)


ROWS: Final[dict[str, Row]] = {
    "OpenEnvelope": _in_envelopes_world(_open),
    "GenerateDataKey": _in_envelopes_world(_data_key),
    "ShredEpoch": _in_envelopes_world(_shred, _with_an_approved_shredding),
    "CreateProposal": _in_approvals_world(_propose),
    "ApproveProposal": _in_approvals_world(_approve, ApprovalsWorld.propose),
    "RejectProposal": _in_approvals_world(_reject, ApprovalsWorld.propose),
}
