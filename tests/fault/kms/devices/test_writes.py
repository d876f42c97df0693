"""Every write of devices: failed, and failed but stored. A retry of the call always ends well, with one verdict."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from kms.core.errors import FailedPrecondition, Reason, ResourceExhausted
from kms.log.model import LogEntry
from unit.kms.devices.bench import DeviceBench, devices_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[DeviceBench]:
    async with devices_running(tmp_path) as bench:
        yield bench


def _flaky(bench: DeviceBench, *faults: Fault | None) -> None:
    bench.devices.database = database = FlakyDatabase(bench.service.database)
    database.plan(*faults)


async def _facts(bench: DeviceBench) -> tuple[int, int, int]:
    """Verdicts, devices, entries of attestations in the log's queue."""

    def count(tx: sa.Connection) -> tuple[int, int, int]:
        entries = tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()
        logged = sum(json.loads(entry)["type"].startswith("device.") for entry in entries)
        verdicts = tx.execute(sa.text("SELECT count(*) FROM attestation_verdict")).scalar_one()
        return verdicts, tx.execute(sa.text("SELECT count(*) FROM device")).scalar_one(), logged

    return await bench.service.database.read(count)


@pytest.mark.parametrize("fault", list(Fault))
async def test_asking_for_a_challenge(bench: DeviceBench, fault: Fault) -> None:
    _flaky(bench, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await bench.challenge(request_id=request_id)
    challenge = await bench.challenge(request_id=request_id)
    assert await bench.challenge(request_id=request_id) == challenge
    assert (await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge)))).verdict.appraised


@pytest.mark.parametrize(
    ("faults", "facts", "replayed"),
    [
        ((Fault.LOST_BEFORE,), (0, 0, 0), False),
        ((Fault.LOST_AFTER,), (0, 0, 0), False),
        ((None, Fault.LOST_BEFORE), (0, 0, 0), False),
        ((None, Fault.LOST_AFTER), (1, 1, 1), True),
    ],
    ids=["consume lost", "consumed, not told", "verdict lost", "verdict stored, not told"],
)
async def test_attesting(
    bench: DeviceBench, faults: tuple[Fault | None, ...], facts: tuple[int, int, int], replayed: bool
) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    _flaky(bench, *faults)
    with pytest.raises(ConnectionLost):
        await bench.attest(request)
    assert await _facts(bench) == facts
    response = await bench.attest(request)
    assert response.verdict.appraised
    assert response.replayed is replayed
    assert await _facts(bench) == (1, 1, 1)


async def test_what_a_lost_call_consumed_serves_its_own_retry_only(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    evidence = bench.phone.attest(challenge.challenge)
    lost = bench.request(challenge, evidence)
    _flaky(bench, None, Fault.LOST_BEFORE)
    with pytest.raises(ConnectionLost):
        await bench.attest(lost)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(bench.request(challenge, evidence))
    assert refused.value.reason is Reason.CHALLENGE_USED
    bench.service.clock.advance(301)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(lost)
    assert refused.value.reason is Reason.CHALLENGE_EXPIRED, "and only while the challenge lives"
    assert await _facts(bench) == (0, 0, 0)


async def test_without_room_in_the_log_nothing_is_stored(bench: DeviceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's part of the transaction fails last, after verdict and device were written."""

    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    with monkeypatch.context() as patch:
        patch.setattr(bench.service.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await bench.attest(request)
    assert await _facts(bench) == (0, 0, 0)
    assert (await bench.attest(request)).verdict.appraised
    assert await _facts(bench) == (1, 1, 1)


async def test_a_verifier_that_breaks_stores_nothing(bench: DeviceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    with monkeypatch.context() as patch:
        patch.setattr("kms.devices.verification.verify", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await bench.attest(request)
    assert await _facts(bench) == (0, 0, 0)
    assert (await bench.attest(request)).verdict.appraised


async def test_a_caller_who_leaves_during_the_judgement(bench: DeviceBench) -> None:
    """The challenge is consumed; the retry of the same call still gets its verdict."""
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    leaving = asyncio.create_task(bench.attest(request))
    await asyncio.sleep(0.005)
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    assert (await bench.attest(request)).verdict.appraised
    assert await _facts(bench) == (1, 1, 1)
