"""The removal times that status manifests name, and what lease-granted says of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hallmark_events.event_set import EventSet
from hallmark_events.lease import Lease
from kms.consent.promised import REMOVAL_TIMES_MAX, removal_times
from kms.core.database import metadata
from support.clock import START
from unit.kms.consent.bench import ConsentBench, device, span

TENANT = "default"
LONGEST = 30 * 86_400


async def listed(bench: ConsentBench, tenant: str = TENANT) -> list[int]:
    return list(await bench.service.database.read(lambda tx: removal_times(tx, tenant)))


async def test_each_promise_of_open_consents_once(bench: ConsentBench) -> None:
    names = [(await bench.grant(removal_time=span(seconds))).consent.name for seconds in (7200, 60, 7200, 86_400)]
    assert await listed(bench) == [60, 7200, 86_400]
    await bench.withdraw(names[1])
    assert await listed(bench) == [7200, 86_400]
    await bench.withdraw(names[0])
    assert await listed(bench) == [7200, 86_400], "another consent promises it too"
    assert await listed(bench, "other") == []


@pytest.mark.parametrize("step", [1, 61, 259])
async def test_many_promises_are_told_by_some(bench: ConsentBench, step: int) -> None:
    """Each consent finds one that is at most its own, and little less; however many there are."""
    promises = list(range(60, 60 + 10_000 * step, step))
    await bench.grant()
    table = metadata.tables["consent"]
    (row,) = await bench.rows("consent")
    rows = [{**row, "id": f"{number:036}", "removal_seconds": each} for number, each in enumerate(promises)]
    await bench.service.database.write(lambda tx: tx.execute(table.delete()))
    await bench.service.database.write(lambda tx: tx.execute(table.insert(), rows))
    found = await listed(bench)
    assert len(found) <= REMOVAL_TIMES_MAX
    assert set(found) <= set(promises)
    for each in promises:
        assert each / 1.2 - 1 <= max(seconds for seconds in found if seconds <= each) <= each


async def test_the_shortest_steps_reach_the_longest_promise(bench: ConsentBench) -> None:
    """The bound holds for every set of promises: a minute to 30 days, nowhere a gap."""
    found, seconds = 1, 60
    while seconds < LONGEST:
        found, seconds = found + 1, int(seconds * 1.2) + 1
    assert found <= REMOVAL_TIMES_MAX


async def test_an_index_answers(bench: ConsentBench) -> None:
    """Not a row is read: there may be a million consents."""
    query = (
        "EXPLAIN QUERY PLAN SELECT removal_seconds FROM consent WHERE tenant = 'default' AND ends_at IS NOT NULL "
        "AND removal_seconds > 5 ORDER BY removal_seconds LIMIT 1"
    )
    rows = await bench.service.database.read(lambda tx: tx.execute(sa.text(query)).all())
    assert [row.detail for row in rows] == [
        "SEARCH consent USING INDEX ix_consent_removal_seconds (tenant=? AND removal_seconds>?)"
    ]


async def test_a_lease_says_what_bounds_it(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1))
    name = (
        await bench.grant(
            devices=[device(1)],
            removal_time=span(3600),
            validity_duration=span(5400),
            lease_terms={"duration": span(3600)},
        )
    ).consent.name
    bench.service.clock.advance(1800)
    await bench.renewer.renew_due(bench.service.clock.now())
    await bench.renew(name, validity_duration=span(7200))
    await bench.renewer.renew_due(bench.service.clock.now())
    found = []
    for row in sorted(await bench.rows("event"), key=lambda row: row["revision"]):
        if row["type"].endswith("lease-granted"):
            (event,) = json.loads(row["payload"])["events"].values()
            ends = datetime.fromisoformat(event["hallmark.v1"]["consent_expires_at"])
            lease = Lease.from_event(EventSet.parse(row["payload"]))
            assert lease.consent_expires_at == ends
            assert lease.removal == timedelta(seconds=3600)
            found.append(((ends - START).total_seconds(), (lease.expires_at - START).total_seconds()))
    assert found == [(5400, 3600), (5400, 5400), (9000, 5400)]
    assert START.tzinfo is UTC
