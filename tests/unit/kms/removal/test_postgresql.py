"""Two replicas over PostgreSQL, each with its own connections: every act once, no receipt lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kms.app.removal import RemovalParts, make_removal
from kms.core.database import Database
from kms.core.errors import FailedPrecondition
from kms.removal.model import RemovalState
from support.database import fresh_database
from unit.kms.removal.bench import PROMISE, RemovalBench, removals_running


def other_replica(bench: RemovalBench, database: Database) -> RemovalParts:
    revocations = bench.base.service.revocations
    own = replace(revocations, events=replace(revocations.events, database=database))
    return make_removal(
        bench.config,
        orders=bench.orders,
        revocations=own,
        devices=bench.base.devices,
        clock=bench.base.service.clock,
    )


async def test_two_replicas_do_everything_once(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "unit.kms.revocation.bench.fresh_database", lambda folder: fresh_database(folder, postgresql_url)
    )
    second = Database(postgresql_url)
    try:
        async with removals_running(tmp_path) as bench:
            replicas = (bench.parts, other_replica(bench, second))
            late, quick = await bench.enrol(), await bench.enrol()
            owed = [await bench.withdraw(late.name) for _ in range(3)]
            paid = await bench.withdraw(quick.name)
            for each in (*owed, paid):
                await bench.deliver(each)
            bench.advance(PROMISE + timedelta(minutes=6))
            receipts = [await bench.receipt(paid, sign=quick.sign), await bench.receipt(paid)]
            await asyncio.gather(
                *(each.keeper.keep(bench.now) for each in replicas),
                *(bench.submit(paid, receipt) for receipt in receipts[:1]),
            )
            with pytest.raises(FailedPrecondition):
                await bench.submit(paid, receipts[1])
            for each in replicas:
                await each.keeper.keep(bench.now)
            assert await bench.state(paid) is RemovalState.DELETED
            assert {await bench.state(each) for each in owed} == {RemovalState.OVERDUE}
            subjects = [entry["subject"] for entry in await bench.logged("removal.overdue")]
            assert sorted(set(subjects) & {str(each.name) for each in owed}) == sorted(str(each.name) for each in owed)
            assert len(subjects) == len(set(subjects))
            assert await bench.device_state(late.name) == "revoked"
            assert len(await bench.logged("removal.day-closed")) == 1
            report = await bench.parts.servicer.reader.report("default", since=None, until=None, now=bench.now)
            assert (report.states[RemovalState.DELETED], report.grades["A1"]) == (1, 1)
            assert report.to_receipt is not None
    finally:
        second.close()
