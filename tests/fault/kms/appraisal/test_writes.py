"""Every write of appraisal policies: failed, and failed but stored. A retry of the call ends well, with one act."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from attestation.policy_file import read_policy
from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from kms.core.errors import Reason, ResourceExhausted
from kms.log.model import LogEntry
from unit.kms.appraisal.bench import MILD, PARENT, AppraisalBench, appraisal_running

FIRST = f"{PARENT}/policies/1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AppraisalBench]:
    async with appraisal_running(tmp_path) as bench:
        yield bench


def _flaky(bench: AppraisalBench, fault: Fault) -> None:
    database = FlakyDatabase(bench.appraisal.database)
    bench.appraisal.database = database  # type: ignore[assignment]
    database.plan(fault)


async def _facts(bench: AppraisalBench) -> tuple[int, int, list[str]]:
    """Versions, tenants with one in force, log entries about policies."""

    def count(tx: sa.Connection) -> tuple[int, int, list[str]]:
        entries = [json.loads(data)["type"] for data in tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()]
        versions = tx.execute(sa.text("SELECT count(*) FROM appraisal_policy")).scalar_one()
        in_force = tx.execute(sa.text("SELECT count(*) FROM appraisal_policy_in_force")).scalar_one()
        return versions, in_force, [kind for kind in entries if kind.startswith("policy.")]

    return await bench.devices.service.database.read(count)


@pytest.mark.parametrize("fault", list(Fault))
async def test_setting(bench: AppraisalBench, fault: Fault) -> None:
    request_id = str(uuid.uuid4())
    _flaky(bench, fault)
    with pytest.raises(ConnectionLost):
        await bench.set(request_id=request_id)
    answer = await bench.set(request_id=request_id)
    assert (answer.policy.name, answer.replayed) == (FIRST, fault is Fault.LOST_AFTER)
    assert await _facts(bench) == (1, 0, ["policy.set"])


@pytest.mark.parametrize("fault", list(Fault))
async def test_activating(bench: AppraisalBench, fault: Fault) -> None:
    await bench.set()
    request_id = str(uuid.uuid4())
    _flaky(bench, fault)
    with pytest.raises(ConnectionLost):
        await bench.activate(FIRST, request_id=request_id)
    answer = await bench.activate(FIRST, request_id=request_id)
    assert answer.replayed is (fault is Fault.LOST_AFTER)
    assert await _facts(bench) == (1, 1, ["policy.set", "policy.activated"])
    assert await bench.source.active("default") == read_policy(MILD)
    assert bench.notes.woken, "a retry wakes too: the first call may have died before it did"


@pytest.mark.parametrize("fault", list(Fault))
async def test_going_back_to_the_built_in_policy(bench: AppraisalBench, fault: Fault) -> None:
    await bench.set()
    await bench.activate(FIRST)
    request_id = str(uuid.uuid4())
    _flaky(bench, fault)
    with pytest.raises(ConnectionLost):
        await bench.activate(f"{PARENT}/policies/0", request_id=request_id)
    answer = await bench.activate(f"{PARENT}/policies/0", request_id=request_id)
    assert answer.replayed is (fault is Fault.LOST_AFTER)
    assert await _facts(bench) == (1, 0, ["policy.set", "policy.activated", "policy.activated"])
    assert await bench.source.active("default") == bench.source.built_in


async def test_without_room_in_the_log_nothing_is_in_force(
    bench: AppraisalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    with monkeypatch.context() as patch:
        patch.setattr(bench.devices.service.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await bench.set()
    assert await _facts(bench) == (0, 0, [])
    await bench.set()
    with monkeypatch.context() as patch:
        patch.setattr(bench.devices.service.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await bench.activate(FIRST)
    assert await _facts(bench) == (1, 0, ["policy.set"])


async def test_another_replica_takes_the_number(bench: AppraisalBench) -> None:
    """It commits between our read and our write: the next number is taken, and what is signed names it."""
    sign = bench.appraisal.signing.sign_as_service
    others = []

    async def slow_sign(*arguments: object) -> object:
        if not others:
            others.append("once")
            bench.appraisal.signing.sign_as_service = sign  # type: ignore[method-assign]
            await bench.set()
        return await sign(*arguments)  # type: ignore[arg-type]

    bench.appraisal.signing = _Signing(slow_sign)  # type: ignore[assignment]
    answer = await bench.set()
    assert answer.policy.name == f"{PARENT}/policies/2"
    assert json.loads(answer.policy.payload)["name"] == answer.policy.name


class _Signing:
    def __init__(self, sign: object) -> None:
        self.sign_as_service = sign
