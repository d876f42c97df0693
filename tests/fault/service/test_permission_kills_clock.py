"""The clock of the service is set an hour ahead or back: nothing lasts longer than was promised, no end is undone."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hallmark.v1 import consent_pb2
from kms.core.errors import ServiceError
from kms.events.model import Status
from kms.status import lists
from unit.kms.consent.bench import ConsentBench, consents_running, device, span
from unit.kms.status.bench import StatusBench, status_running

HOUR = 3600
REMOVAL, GRACE, VALIDITY = 2 * HOUR, 300, 30 * HOUR
JUMPS = pytest.mark.parametrize(
    "jumps", [(HOUR,), (-HOUR,), (HOUR, -HOUR), (-HOUR, HOUR), (HOUR, -HOUR, -HOUR)], ids=str
)


async def _granted(bench: ConsentBench) -> str:
    bench.devices.enrol(device(1), device(2))
    made = await bench.grant(
        devices=[device(1), device(2)],
        validity_duration=span(VALIDITY),
        removal_time=span(REMOVAL),
        lease_terms={"offline_grace": span(GRACE)},
    )
    return made.consent.name


async def _promises(bench: ConsentBench) -> list[dict[str, Any]]:
    """Own members of every lease-granted event ever made."""
    found = [row for row in await bench.rows("event") if row["type"].endswith("lease-granted")]
    return [next(iter(json.loads(row["payload"])["events"].values()))["hallmark.v1"] for row in found]


def _over(own: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(own["expires_at"]) + timedelta(seconds=own["offline_grace_seconds"])


@JUMPS
async def test_no_lease_outlasts_the_promise(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    async with consents_running(tmp_path) as bench:
        await _granted(bench)
        given, clock = 2, bench.service.clock
        for jump in jumps:
            clock.jump(jump)
            for wait in (0, HOUR // 2, HOUR, HOUR):
                clock.advance(wait)
                await bench.renewer.renew_due(clock.now())
                fresh = (await _promises(bench))[given:]
                given += len(fresh)
                for own in fresh:
                    assert datetime.fromisoformat(own["not_before"]) == clock.now()
                    assert _over(own) <= clock.now() + timedelta(seconds=REMOVAL)
        assert given > 2, "leases were renewed"


@JUMPS
async def test_a_withdrawal_stays_one(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    async with consents_running(tmp_path) as bench:
        name, clock = await _granted(bench), bench.service.clock
        await bench.publish()
        withdrawn = await bench.withdraw(name)
        given = len(await _promises(bench))
        for jump in jumps:
            clock.jump(jump)
            await _let_it_try(bench, name)
            consent = await bench.get(name)
            assert (consent.state, consent.end_time) == (
                consent_pb2.CONSENT_STATE_WITHDRAWN,
                withdrawn.consent.end_time,
            )
            assert (await bench.withdraw(name)).deadline == withdrawn.deadline
        assert len(await _promises(bench)) == given, "nothing was given or renewed"
        await _assert_over(bench, name)


@JUMPS
async def test_an_expiry_that_was_told_is_not_taken_back(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    """Too early, by a clock that was wrong: it is for ever all the same, since devices have shredded."""
    async with consents_running(tmp_path) as bench:
        name, clock = await _granted(bench), bench.service.clock
        await bench.publish()
        clock.jump(VALIDITY)
        assert await bench.expiry.expire_due(clock.now()) == 1
        given = len(await _promises(bench))
        for jump in (-VALIDITY, *jumps):
            clock.jump(jump)
            await _let_it_try(bench, name)
            assert (await bench.get(name)).state == consent_pb2.CONSENT_STATE_EXPIRED
        assert len(await _promises(bench)) == given
        await _assert_over(bench, name)


async def _let_it_try(bench: ConsentBench, name: str) -> None:
    """All that could permit again."""
    now = bench.service.clock.now()
    await bench.renewer.renew_due(now)
    await bench.expiry.expire_due(now)
    for attempt in (bench.acquire(name, device(1)), bench.renew(name, validity_duration=span(10 * VALIDITY))):
        with pytest.raises(ServiceError):
            await attempt
    await bench.publish()


async def _assert_over(bench: ConsentBench, name: str) -> None:
    leases = await bench.leases(consent=name)
    assert [lease.live for lease in leases] == [False, False]
    told = {placed.event.subject: placed.event.status for placed in await bench.feed(device(1))}
    assert told[name] is Status.INVALID
    values = await bench.service.database.read(
        lambda tx: {lists.value(tx, each) for each in (name, *(lease.name for lease in leases))}
    )
    assert values == {Status.INVALID}


@JUMPS
async def test_what_a_device_may_still_hold_after_a_withdrawal_is_told(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    """Where a clock that was ahead has given a lease for too long, nobody may say that it ended within the promise."""
    async with consents_running(tmp_path) as bench:
        name, clock = await _granted(bench), bench.service.clock
        for jump in jumps:
            clock.jump(jump)
            clock.advance(HOUR)
            await bench.renewer.renew_due(clock.now())
        withdrawn = await bench.withdraw(name)
        latest = max(map(_over, await _promises(bench)))
        deadline = withdrawn.deadline.ToDatetime(tzinfo=latest.tzinfo)
        heard = [each.expire_time.ToDatetime(tzinfo=latest.tzinfo) for each in await bench.leases(consent=name)]
        assert latest <= deadline or max(heard) + timedelta(seconds=GRACE) >= latest


@JUMPS
async def test_status_files_go_on(tmp_path: Path, jumps: tuple[int, ...]) -> None:
    """Numbers and what is told only grow, also for a reader who saw every one of them."""
    async with status_running(tmp_path) as bench:
        subject = await bench.subject()
        assert await bench.schedule.step() == 1
        follower = bench.reader()
        number = follower.update(bench).manifest.number
        await bench.set(subject, Status.INVALID)
        for jump in jumps:
            bench.service.clock.jump(jump)
            await bench.set(await bench.subject(), Status.SUSPENDED)
            await _published(bench)
            newer = follower.update(bench).manifest
            assert newer.number > number
            assert newer.issued_at == bench.service.clock.now() or newer.issued_at > bench.service.clock.now()
            number = newer.number
            assert await bench.status(follower, subject) is Status.INVALID
            fresh = bench.reader()
            fresh.update(bench)
            assert fresh.held == follower.held


async def _published(bench: StatusBench) -> None:
    for _ in range(90):
        if await bench.passes(1):
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was published")
