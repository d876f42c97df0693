"""Replicas with witnesses that fail: one tree, every published checkpoint has its quorum, nobody is led astray.

On SQLite and on PostgreSQL, which is what replicas are for.
"""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import sqlalchemy as sa

from hallmark_tlog.by_policy import open_checkpoint_by_policy
from hallmark_tlog.policy import Policy, parse_policy
from hallmark_tlog.proof import parse_proof
from hallmark_tlog.vkey import KeyType
from hallmark_tlog.witness_server import Reply
from hsm.testing import FakeKeyProvider
from kms import migrations
from kms.core.clock import SystemClock
from kms.core.database import Database
from kms.log import store
from kms.log.model import LogEntry, LogSettings
from kms.log.service import TransparencyLog
from kms.log.witnesses.cosigned_notes import add_cosignatures
from kms.log.witnesses.settings import WitnessMode, WitnessSettings
from support import witnesses
from support.log_world import ORIGIN, LogWorld
from support.public_files import AuditedPublicFiles
from support.witnesses import LoopbackWitness, policy_text, running

REPLICAS = 2
WRITERS = 8
SECONDS = 2.0


class JudgingPublicFiles(AuditedPublicFiles):
    """Every checkpoint that is shown has the quorum."""

    judged = 0

    async def publish(self, files, last, *, unless=None) -> None:
        open_checkpoint_by_policy(last.content, self.policy, origin=ORIGIN)
        self.judged += 1
        await super().publish(files, last, unless=unless)

    @property
    def policy(self) -> Policy:
        return parse_policy(self.contents["policy"])


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[list[Database]]:
    opened = [Database(database_url) for _ in range(REPLICAS)]
    migrations.upgrade(opened[0].engine)
    yield opened
    for database in opened:
        database.close()


def moody(seed: int) -> witnesses.Send:
    """Half of its answers are of use; after the others it may have cosigned nonetheless."""
    chance = random.Random(seed)

    def answer(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        mood = chance.choice([witnesses.send] * 3 + [witnesses.busy, witnesses.spoilt, witnesses.waits(0.4)])
        mood(handler, reply)

    return answer


def closed(*asked: LoopbackWitness, quorum: int) -> WitnessSettings:
    policy = parse_policy(policy_text(*asked, quorum=quorum))
    return WitnessSettings(policy=policy, mode=WitnessMode.CLOSED, timeout_seconds=0.3, interval_seconds=0.05)


async def test_replicas_under_load_with_a_moody_witness(databases: list[Database]) -> None:
    asked = [LoopbackWitness(f"w{n}", kind) for n, kind in enumerate((KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44))]
    asked.append(LoopbackWitness("moody"))
    asked[-1].send = moody(7)
    provider = FakeKeyProvider()
    await provider.start()
    files = [JudgingPublicFiles(ORIGIN) for _ in databases]
    with running(*asked):
        settings = LogSettings(
            origin=ORIGIN,
            min_checkpoint_interval_seconds=0.05,
            poll_seconds=0.1,
            witnesses=closed(*asked, quorum=2),
        )
        logs = [
            TransparencyLog(
                database=database, provider=provider, public_files=folder, clock=SystemClock(), settings=settings
            )
            for database, folder in zip(databases, files, strict=True)
        ]
        await logs[0].prepare()
        for witness in asked:
            witness.trusts(logs[0].verifier_keys())
        await asyncio.gather(*(log.start() for log in logs))
        places: dict[str, int | None] = {}
        stop = time.monotonic() + SECONDS

        async def write(number: int) -> None:
            log, database = logs[number % REPLICAS], databases[number % REPLICAS]
            while time.monotonic() < stop:
                entry = LogEntry(
                    str(uuid.uuid4()), "com.example.key.used", "default", "tenants/default/keys/a", SystemClock().now()
                )
                promise = await database.write(partial(log.record, entry=entry))
                confirmed = await log.confirm(promise, published=True, timeout_seconds=20)
                places[promise.event_key] = confirmed.leaf_index
                open_checkpoint_by_policy(parse_proof(confirmed.tlog_proof).checkpoint, files[0].policy)

        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        for log in logs:
            await log.close()
    assert sorted(places.values()) == list(range(len(places)))
    assert len(places) > WRITERS
    assert all(folder.judged == len(folder.shown) > 1 for folder in files)
    assert await databases[0].read(lambda tx: store.find_indices(tx, list(places))) == places
    roots: dict[int, bytes] = {}
    for shown in (checkpoint for folder in files for checkpoint in folder.shown):
        assert roots.setdefault(shown.size, shown.root) == shown.root, "a fork"
    for witness in asked:
        assert set(witness.statuses) <= {200, 409}, "no witness was shown anything but extensions of one tree"


@pytest.mark.parametrize("stored", [False, True])
async def test_cosignatures_that_can_not_be_kept_are_asked_for_again(
    tmp_path: Path, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write fails once: before it was stored, and after."""
    witness = LoopbackWitness("w")
    world = LogWorld(tmp_path)
    failures = 0

    def fails_once(tx: sa.Connection, *arguments) -> None:
        nonlocal failures
        add_cosignatures(tx, *arguments)
        failures += 1
        if failures == 1:
            if stored:
                tx.commit()
            raise sa.exc.OperationalError("COMMIT", None, Exception("disk I/O error"))

    monkeypatch.setattr("kms.log.witnesses.witnessing.add_cosignatures", fails_once)
    with running(witness):
        world.settings = LogSettings(origin=ORIGIN, witnesses=closed(witness, quorum=1))
        await world.open()
        await world.log.prepare()
        witness.trusts(world.log.verifier_keys())
        async with asyncio.timeout(10):
            while not await world.log._checkpoints.attempt():
                pass
        policy = parse_policy(world.audited.contents["policy"])
        opened = open_checkpoint_by_policy(world.audited.contents["checkpoint"], policy, origin=ORIGIN)
        assert len(opened.cosigners) == 1
        latest = await world.read(store.latest_checkpoint)
        assert latest.cosignatures.count(b"\n") == 1
        assert failures == 1 if stored else failures == 2
        await world.close()
