"""Rows of the table of writes: envelopes and approvals."""

from typing import Any, Final

from fault.kms.write_table import REQUEST_ID, Row, key_request
from hallmark.v1 import approvals_pb2
from kms.envelopes.model import Opening
from kms.keys.attestation_gate import AttestationGate
from kms.keys.model import Key
from kms.keys.verdict_gate import Claimant
from support.approvals_world import ApprovalsWorld, approvals_world
from support.envelopes_world import VERSION, EnvelopesWorld, envelopes_world
from support.gate_world import GateWorld, gate_world


async def _sealed(world: EnvelopesWorld) -> bytes:
    return world.seal(b"secret", await world.create())


async def _open(world: EnvelopesWorld, envelope: bytes, database: Any, _attempt: int) -> None:
    world.keys.keys.database = database
    assert (await world.open(envelope, request_id=REQUEST_ID)).plaintext == b"secret"


async def _data_key(world: EnvelopesWorld, _envelope: bytes, database: Any, _attempt: int) -> None:
    world.keys.keys.database = database
    await world.data_key(request_id=REQUEST_ID)


async def _with_a_gated_key(world: GateWorld) -> tuple[Key, Claimant]:
    return await world.create_envelope_key("sealed", AttestationGate()), Claimant(await world.enrol())


async def _with_a_gated_envelope(world: GateWorld) -> Opening:
    key, who = await _with_a_gated_key(world)
    return world.opening(key, who, request=key_request())


async def _open_gated(world: GateWorld, opening: Opening, database: Any, _attempt: int) -> None:
    world.keys.database = database
    assert (await world.open(opening)).plaintext.reveal() == b"secret"


async def _gated_data_key(world: GateWorld, prepared: tuple[Key, Claimant], database: Any, _attempt: int) -> None:
    world.keys.database = database
    await world.data_key(*prepared, request=key_request())


def _behind_a_gate(run: Any, prepare: Any) -> Row:
    return Row(world=gate_world, run=run, prepare=prepare, database=lambda world: world.bench.service.database)


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
    "OpenEnvelope with a gated key": _behind_a_gate(_open_gated, _with_a_gated_envelope),
    "GenerateDataKey with a gated key": _behind_a_gate(_gated_data_key, _with_a_gated_key),
    "ShredEpoch": _in_envelopes_world(_shred, _with_an_approved_shredding),
    "CreateProposal": _in_approvals_world(_propose),
    "ApproveProposal": _in_approvals_world(_approve, ApprovalsWorld.propose),
    "RejectProposal": _in_approvals_world(_reject, ApprovalsWorld.propose),
}
