"""Whoever proves heartbeats keeps the same promises: this process with the HSM, and a replica that is asked for it."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from hallmark_composite import CompositePublicKey
from hallmark_events.batch import BatchPath
from hallmark_events.heartbeat import HeartbeatEvidence, verify_heartbeat
from hallmark_events.trust import Signature
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import ServiceError
from kms.core.names import KeyName
from kms.edge.notary import Notary, find_heads
from kms.edge.remote import RemoteProver, ReplicaAway
from kms.edge.wire import Lost, claims_from_wire, claims_to_wire, lost_from_wire, proofs_from_wire, proofs_to_wire
from kms.events.heartbeats import LEAVES, Claim, HeartbeatSigner, Proof, Prover, Unproved
from kms.events.model import GLOBAL, SIGNING_KEY_ID, device_feed
from kms.events.replacing import replace_history
from kms.keys import store as key_store
from unit.kms.events.bench import TENANT, Replica, device_named, event_world, replica_of

DEVICE = device_named(1)


class OverTheWire:
    """A replica with an HSM, as an edge reaches it, but for the connection: both ends' messages are made and read."""

    def __init__(self, notary: Notary) -> None:
        self._notary = notary

    async def sign(self, claims: Sequence[Claim], lost: Sequence[Lost]) -> list[Proof | Unproved]:
        request = claims_to_wire(claims, lost)
        try:
            await self._notary.replace_lost(lost_from_wire(request))
            response = proofs_to_wire(*await self._notary.sign(claims_from_wire(request)))
        except ServiceError as error:
            raise ReplicaAway(str(error)) from error
        return proofs_from_wire(response, claims)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def replica(tmp_path: Path) -> AsyncIterator[Replica]:
    async with event_world(tmp_path) as world, replica_of(world) as running:
        yield running


@pytest.fixture(params=["local", "remote"])
def prover(request: pytest.FixtureRequest, replica: Replica) -> Prover:
    events = replica.events
    local = HeartbeatSigner(events.signing, events.randomness, events.issuer)
    if request.param == "local":
        return local
    notary = Notary(
        database=events.database, prover=local, clock=replica.world.clock, replace=partial(replace_history, events)
    )
    return RemoteProver([OverTheWire(notary)], pause_seconds=0)


async def _claims(replica: Replica, count: int) -> list[Claim]:
    """What is so, for that many callers."""
    await replica.act("keys/a")
    await replica.act("leases/mine", feeds=[device_feed(DEVICE)])
    heads = await replica.database.read(lambda tx: find_heads(tx, {TENANT: {GLOBAL, device_feed(DEVICE)}}))
    mine = {"global": heads[TENANT, GLOBAL], "device": heads[TENANT, device_feed(DEVICE)]}
    everybody = {"global": mine["global"]}
    nonces = [number.to_bytes(16, "big") for number in range(1, count + 1)]
    return [Claim(TENANT, DEVICE, nonces[0], mine), *(Claim(TENANT, None, nonce, everybody) for nonce in nonces[1:])]


async def _keys(replica: Replica) -> dict[str, CompositePublicKey]:
    key = await replica.database.read(lambda tx: key_store.find_key(tx, KeyName("system", SIGNING_KEY_ID)))
    assert key is not None
    return {str(version.name): version.public_key for version in key.versions}


async def test_each_claim_has_a_proof_over_its_own_nonce_in_order(prover: Prover, replica: Replica) -> None:
    claims = await _claims(replica, LEAVES + 2)
    now, keys = replica.world.clock.now(), await _keys(replica)
    proofs = await prover.prove(claims, now)
    assert len(proofs) == len(claims)
    assert len({proof.payload for proof in proofs if isinstance(proof, Proof)}) == 2
    for place in (0, 1, LEAVES, LEAVES + 1):
        claim, proof = claims[place], proofs[place]
        assert isinstance(proof, Proof)
        signature = Signature(key_version=proof.signature.key_version, signature=proof.signature.signature)
        path = BatchPath(proof.path.leaf_index, proof.path.tree_size, proof.path.path)
        evidence = HeartbeatEvidence(payload=proof.payload, signature=signature, leaf=proof.leaf, path=path)
        fact = verify_heartbeat(evidence, keys, nonce=claim.nonce, parent=f"tenants/{TENANT}")
        assert {name: (head.epoch, head.sequence, head.state_digest) for name, head in fact.feeds.items()} == {
            name: (epoch, head.sequence, head.digest) for name, (epoch, head) in claim.heads.items()
        }
        assert fact.server_time == proof.server_time == now


async def test_nothing_to_prove_is_proved_at_once(prover: Prover, replica: Replica) -> None:
    assert await prover.prove([], replica.world.clock.now()) == []


async def test_without_the_hsm_nobody_is_proved_and_nothing_is_raised(prover: Prover, replica: Replica) -> None:
    claims = await _claims(replica, 2)
    replica.world.provider.fail_next(Operation.SIGN, TokenUnavailable("the token is gone"))
    assert await prover.prove(claims, replica.world.clock.now()) == [Unproved.AWAY] * 2
    assert all(isinstance(proof, Proof) for proof in await prover.prove(claims, replica.world.clock.now()))
