"""Heartbeats from replicas that come and go."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from hallmark_events.batch import BatchPath
from kms.edge.remote import WAITING_MAX, RemoteProver, ReplicaAway
from kms.edge.wire import CLAIMS_MAX, AnswerInvalid, Lost
from kms.events.heartbeats import Claim, Proof, Unproved
from kms.events.reading import Head
from kms.keys.model import ServiceSignature

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Scripted:
    """A replica that answers, or does what its script says instead."""

    def __init__(self, *script: Exception) -> None:
        self.script = list(script)
        self.batches: list[int] = []
        self.lost: list[Lost] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed = False

    async def sign(self, claims: Sequence[Claim], lost: Sequence[Lost]) -> list[Proof | Unproved]:
        self.batches.append(len(claims))
        self.lost += lost
        await self.gate.wait()
        if self.script:
            raise self.script.pop(0)
        return [_proof(claim) for claim in claims]

    async def close(self) -> None:
        self.closed = True


def _proof(claim: Claim) -> Proof:
    signature = ServiceSignature(key_version="v", signature=b"s", context="c", sign_time=NOW)
    return Proof(b"payload", signature, claim.leaf(), BatchPath(0, 256, ()), NOW)


def _claim(number: int) -> Claim:
    return Claim("default", None, number.to_bytes(16, "big"), {"global": (bytes(16), Head(number, bytes(32)))})


async def test_claims_that_come_while_one_call_is_under_way_go_together() -> None:
    replica = Scripted()
    prover = RemoteProver([replica])
    replica.gate.clear()
    first = asyncio.create_task(prover.prove([_claim(0)], NOW))
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(prover.prove([_claim(number)], NOW)) for number in range(1, 50)]
    await asyncio.sleep(0.01)
    replica.gate.set()
    answers = [await first, *[await each for each in rest]]
    assert replica.batches == [1, 49]
    assert [answer[0].leaf for answer in answers] == [_claim(number).leaf() for number in range(50)]
    await prover.close()
    assert replica.closed


async def test_large_batches_are_sent_in_parts() -> None:
    replica = Scripted()
    proofs = await RemoteProver([replica]).prove([_claim(number) for number in range(CLAIMS_MAX + 1)], NOW)
    assert replica.batches == [CLAIMS_MAX, 1]
    assert len(proofs) == CLAIMS_MAX + 1


@pytest.mark.parametrize("error", [ReplicaAway("gone"), AnswerInvalid("strange")])
async def test_another_replica_is_asked_and_stays_the_first(error: Exception) -> None:
    one, two = Scripted(error, error), Scripted()
    prover = RemoteProver([one, two])
    for _ in range(3):
        assert isinstance((await prover.prove([_claim(1)], NOW))[0], Proof)
    assert (len(one.batches), len(two.batches)) == (1, 3)


async def test_nobody_is_asked_for_a_while_after_nobody_answered(caplog: pytest.LogCaptureFixture) -> None:
    replica = Scripted(*[ReplicaAway("gone")] * 2)
    prover = RemoteProver([replica], pause_seconds=0.1)
    for _ in range(5):
        assert await prover.prove([_claim(1)], NOW) == [Unproved.AWAY]
    assert replica.batches == [1]
    await asyncio.sleep(0.12)
    assert await prover.prove([_claim(1)], NOW) == [Unproved.AWAY]
    await asyncio.sleep(0.12)
    assert isinstance((await prover.prove([_claim(1)], NOW))[0], Proof)
    assert caplog.text.count("no API replica signs heartbeats") == 1


async def test_memory_is_bounded() -> None:
    replica = Scripted()
    prover = RemoteProver([replica])
    assert await prover.prove([_claim(1)] * (WAITING_MAX + 1), NOW) == [Unproved.AWAY] * (WAITING_MAX + 1)
    assert replica.batches == []


async def test_a_lost_history_is_told_to_a_replica() -> None:
    replica = Scripted()
    await RemoteProver([replica]).replace("default", b"e" * 16, NOW)
    assert replica.lost == [Lost("default", b"e" * 16)]


async def test_who_waits_when_it_closes_is_told() -> None:
    replica = Scripted()
    replica.gate.clear()
    prover = RemoteProver([replica])
    waiting = asyncio.create_task(prover.prove([_claim(1)], NOW))
    await asyncio.sleep(0.01)
    await prover.close()
    assert await waiting == [Unproved.AWAY]


async def test_a_caller_that_leaves_does_not_disturb_the_others() -> None:
    replica = Scripted()
    replica.gate.clear()
    prover = RemoteProver([replica])
    leaving = asyncio.create_task(prover.prove([_claim(1)], NOW))
    await asyncio.sleep(0.01)
    staying = asyncio.create_task(prover.prove([_claim(2)], NOW))
    await asyncio.sleep(0)
    leaving.cancel()
    replica.gate.set()
    assert isinstance((await staying)[0], Proof)
