"""The signed root of each day."""

import asyncio
import hashlib
import json
from datetime import date, timedelta
from itertools import pairwise

from hallmark_client.wire.removals import report_of
from hallmark_events.batch import BatchTree
from kms.removal import day_store, wire
from kms.removal.days import SETTLED_AFTER
from kms.removal.model import DayRoot
from kms.removal.payload import day_record
from unit.kms.removal.bench import PROMISE, RemovalBench

DAY = timedelta(days=1)


async def roots(bench: RemovalBench) -> list[DayRoot]:
    return await bench.database.read(lambda tx: day_store.between(tx, "default", date(2000, 1, 1), date(2100, 1, 1)))


async def test_a_day_is_closed_when_it_has_settled(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    midnight = timedelta(hours=12)  # the clock stands at noon
    bench.advance(midnight + SETTLED_AFTER - timedelta(seconds=1))
    await bench.keep()
    assert await roots(bench) == []
    bench.advance(timedelta(seconds=1))
    await bench.keep()
    (day,) = await roots(bench)
    assert (day.day, day.size) == ("2026-11-21", 1)
    end = day_store.begin_of(date(2026, 11, 22))
    assert day.root == BatchTree([day_record(made, end)]).root
    said = json.loads(day.payload)
    assert (said["root"], said["previous_sha256"], said["size"]) == (day.root.hex(), "", 1)
    (entry,) = await bench.logged("removal.day-closed")
    assert entry["details"]["payload_sha256"] == hashlib.sha256(day.payload).hexdigest()
    await bench.keep()
    assert len(await roots(bench)) == 1


async def test_every_root_names_the_one_before_and_empty_days_have_none(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    first = await bench.withdraw(holder.name)
    await bench.submit(first, await bench.receipt(first))
    bench.advance(5 * DAY)
    await bench.withdraw(holder.name, deadline=bench.now + PROMISE)
    bench.advance(3 * DAY)
    await bench.keep()
    found = await roots(bench)
    assert [day.day for day in found] == ["2026-11-21", "2026-11-26", "2026-11-27", "2026-11-28"]
    for before, after in pairwise(found):
        assert json.loads(after.payload)["previous_sha256"] == hashlib.sha256(before.payload).hexdigest()


async def test_what_comes_later_does_not_change_the_day(bench: RemovalBench) -> None:
    """The facts as of its end can be made again from what is known afterwards."""
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.deliver(made)
    bench.advance(timedelta(hours=13))
    await bench.submit(made, await bench.receipt(made))
    bench.advance(DAY)
    await bench.keep()
    first, second = await roots(bench)
    later = await bench.removal(made.name)
    assert first.root == BatchTree([day_record(later, day_store.begin_of(date(2026, 11, 22)))]).root
    assert second.root == BatchTree([day_record(later, day_store.begin_of(date(2026, 11, 23)))]).root
    assert first.root != second.root


async def test_replicas_close_a_day_once(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    await bench.withdraw(holder.name)
    bench.advance(2 * DAY)
    replicas = [bench.keeper, bench.replica(), bench.replica()]
    await asyncio.gather(*(each.days.close_due(bench.now) for each in replicas))
    assert [day.day for day in await roots(bench)] == ["2026-11-21", "2026-11-22"]
    assert len(await bench.logged("removal.day-closed")) == 2


async def test_a_root_is_verified_by_who_holds_the_services_key(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    await bench.withdraw(holder.name)
    bench.advance(DAY)
    await bench.keep()
    report = await bench.parts.servicer.reader.report("default", since=None, until=None, now=bench.now)
    (day,) = report_of(wire.report_to_wire(report)).daily_roots
    trusted = {day.signature.key_version: bench.base.service.public_key}
    day.verify(trusted)
