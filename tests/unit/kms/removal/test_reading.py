"""One removal, pages of them, the report."""

import time
import uuid
from datetime import timedelta

import pytest
from sqlalchemy.engine import Connection

from hallmark.v1 import removal_pb2
from kms.core.errors import InvalidArgument, NotFound
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.removal.model import Removal, RemovalState
from kms.removal.tables import removal as removal_table
from support.randomness import SeededRandomness
from unit.kms.removal.bench import CONSENT, PROMISE, RemovalBench


async def report(bench: RemovalBench, **fields) -> removal_pb2.RemovalReport:
    request = removal_pb2.GetRemovalReportRequest(parent="tenants/default")
    for name, value in fields.items():
        getattr(request, name).FromDatetime(value)
    return await bench.parts.servicer.GetRemovalReport(request, bench.call("GetRemovalReport"))


async def listed(bench: RemovalBench, **fields) -> removal_pb2.ListRemovalsResponse:
    request = removal_pb2.ListRemovalsRequest(**{"parent": "tenants/default", **fields})
    return await bench.parts.servicer.ListRemovals(request, bench.call("ListRemovals"))


async def test_a_removal_is_read_with_its_receipt(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await bench.withdraw(holder.name)
    await bench.submit(made, await bench.receipt(made, sign=holder.sign))
    request = removal_pb2.GetRemovalRequest(name=str(made.name))
    found = await bench.parts.servicer.GetRemoval(request, bench.call("GetRemoval"))
    assert (found.state, found.receipt.grade) == (
        removal_pb2.REMOVAL_STATE_DELETED,
        removal_pb2.RECEIPT_GRADE_A1,
    )
    assert (found.device, found.consent) == (str(holder.name), str(CONSENT))


async def test_what_is_not_there_or_anothers_is_not_found(bench: RemovalBench) -> None:
    made = await bench.withdraw((await bench.enrol()).name)
    for name, tenant in ((f"tenants/default/removals/{uuid.uuid4()}", "default"), (str(made.name), "other")):
        with pytest.raises(NotFound):
            await bench.parts.servicer.GetRemoval(
                removal_pb2.GetRemovalRequest(name=name), bench.call("GetRemoval", tenant=tenant)
            )


async def test_lists_are_newest_first_and_filtered(bench: RemovalBench) -> None:
    first, second = await bench.enrol(), await bench.enrol()
    made: list[Removal] = []
    for holder in (first, second, first):
        bench.advance(timedelta(seconds=1))
        made.append(await bench.withdraw(holder.name))
    await bench.submit(made[0], await bench.receipt(made[0]))
    everything = await listed(bench)
    assert [each.name for each in everything.removals] == [str(each.name) for each in reversed(made)]
    assert everything.removals[-1].receipt.set
    of_first = await listed(bench, device=str(first.name))
    assert [each.name for each in of_first.removals] == [str(made[2].name), str(made[0].name)]
    deleted = await listed(bench, state=removal_pb2.REMOVAL_STATE_DELETED)
    assert [each.name for each in deleted.removals] == [str(made[0].name)]
    assert len((await listed(bench, consent=str(CONSENT))).removals) == 3
    nobody = ChildName("default", "consents", str(uuid.uuid4()))
    assert len((await listed(bench, consent=str(nobody))).removals) == 0
    with pytest.raises(InvalidArgument):
        await listed(bench, state=99)


async def test_lists_come_in_pages(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = [await bench.withdraw(holder.name) for _ in range(5)]
    names, token = [], ""
    while True:
        page = await listed(bench, page_size=2, page_token=token)
        assert len(page.removals) <= 2
        names += [each.name for each in page.removals]
        token = page.next_page_token
        if not token:
            break
    assert sorted(names) == sorted(str(each.name) for each in made)


async def test_the_report_counts_states_grades_and_times(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = [await bench.withdraw(holder.name) for _ in range(4)]
    for seconds, each in zip((10, 20, 30), made, strict=False):
        bench.advance(timedelta(seconds=10))
        await bench.deliver(each)
        await bench.acknowledge(each)
        assert seconds
    await bench.submit(made[0], await bench.receipt(made[0]))
    await bench.submit(made[1], await bench.receipt(made[1], sign=holder.sign))
    bench.advance(PROMISE)
    await bench.keep()
    found = await report(bench)
    assert {state: count for state, count in found.states.items() if count} == {
        "deleted": 2,
        "overdue": 1,
        "lapsed": 1,
    }
    assert dict(found.grades) == {"A0": 1, "A1": 1, "A2": 0}
    times = found.to_acknowledgement
    assert (times.count, times.p50_seconds, times.p99_seconds, times.max_seconds) == (3, 20, 30, 30)
    assert (found.to_receipt.count, found.to_receipt.max_seconds) == (2, 30)
    assert [each.name for each in found.overdue] == [str(made[2].name)]
    assert [day.day for day in found.daily_roots] == ["2026-11-21"]


async def test_the_report_is_of_what_was_issued_in_its_span(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    begin = bench.now
    await bench.withdraw(holder.name)
    bench.advance(timedelta(hours=1))
    await bench.withdraw(holder.name)
    assert sum((await report(bench, since=begin, until=bench.now)).states.values()) == 1
    later = bench.now + timedelta(seconds=1)
    found = await report(bench, since=bench.now, until=later)
    assert sum(found.states.values()) == 1
    assert not found.HasField("to_acknowledgement")
    for since, until in ((later, begin), (begin, begin), (begin - timedelta(days=4000), begin)):
        with pytest.raises(InvalidArgument):
            await report(bench, since=since, until=until)


async def test_ten_thousand_removals_take_less_than_a_second(bench: RemovalBench) -> None:
    await bench.database.write(lambda tx: _insert_many(tx, bench, 10_000))
    began = time.process_time()
    found = await report(bench)
    assert time.process_time() - began < 1
    assert sum(found.states.values()) == 10_000
    assert found.to_receipt.count == 5_000
    assert found.to_receipt.p99_seconds == 9_900
    assert len(found.overdue) == 1_000


def _insert_many(tx: Connection, bench: RemovalBench, count: int) -> None:
    """Half of them deleted, after 2, 4, 6... seconds; the others overdue."""
    randomness, now = SeededRandomness(5), bench.now - timedelta(hours=1)
    row = {
        "tenant": "default",
        "device": str(uuid.UUID(int=8)),
        "artifact": "ab" * 32,
        "nonce": bytes(32),
        "effective_time": now,
        "deadline": now + PROMISE,
        "issue_time": now,
        "reason": "",
    }
    rows = []
    for number in range(1, count + 1):
        deleted = number % 2 == 0
        rows.append(
            {
                **row,
                "id": new_id(now, randomness),
                "state": RemovalState.DELETED if deleted else RemovalState.OVERDUE,
                "grade": "A1" if deleted else None,
                "receipt_time": now + timedelta(seconds=number) if deleted else None,
            }
        )
    tx.execute(removal_table.insert(), rows)
