"""Rows of the table of writes: removals, their receipts, deadlines, what follows, the days."""

from datetime import timedelta
from typing import Any, Final

from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from hallmark.v1 import removal_pb2
from hallmark_client.model.removals import DeletionReceipt
from kms.core.errors import FailedPrecondition
from kms.removal.model import Removal
from unit.kms.removal.bench import ARTIFACT, PROMISE, Holder, RemovalBench, removals_running

Asked = tuple[Holder, Removal]


async def _enrolled(bench: RemovalBench) -> Holder:
    return await bench.enrol()


async def _asked(bench: RemovalBench) -> Asked:
    holder = await bench.enrol()
    return holder, await bench.withdraw(holder.name)


async def _request(bench: RemovalBench, holder: Holder, database: Any, _attempt: int) -> None:
    bench.use(database)
    request = removal_pb2.RequestDeletionRequest(device=str(holder.name), artifact=str(ARTIFACT), request_id=REQUEST_ID)
    await bench.parts.servicer.RequestDeletion(request, bench.call("RequestDeletion"))


async def _deliver(bench: RemovalBench, asked: Asked, database: Any, _attempt: int) -> None:
    bench.use(database)
    await bench.deliver(asked[1])


async def _acknowledge(bench: RemovalBench, asked: Asked, database: Any, _attempt: int) -> None:
    device, event_id, now = asked[0].name, asked[1].name.id, bench.now
    await database.write(lambda tx: bench.observer.acknowledged_in(tx, device, event_id, "", now))


async def _written(bench: RemovalBench) -> tuple[Holder, Removal, DeletionReceipt]:
    holder, made = await _asked(bench)
    return holder, made, await bench.receipt(made, sign=holder.sign)


async def _submit(bench: RemovalBench, state: Any, database: Any, _attempt: int) -> None:
    bench.use(database)
    _, made, receipt = state
    answer = await bench.submit(made, receipt, request_id=REQUEST_ID)
    assert answer.removal.state == removal_pb2.REMOVAL_STATE_DELETED


async def _again(bench: RemovalBench, state: Any, database: Any, _attempt: int) -> None:
    """The same receipt under another request_id: only the answer is kept."""
    bench.use(database)
    _, made, receipt = state
    try:
        await bench.submit(made, receipt, request_id=REQUEST_ID)
    except FailedPrecondition as error:  # it is the same receipt, so there is nothing to refuse
        raise AssertionError(error) from error


async def _given(bench: RemovalBench) -> tuple[Holder, Removal, DeletionReceipt]:
    holder, made, receipt = await _written(bench)
    await bench.submit(made, receipt)
    return holder, made, receipt


async def _late(bench: RemovalBench) -> Asked:
    holder, made = await _asked(bench)
    await bench.deliver(made)
    bench.advance(PROMISE)
    return holder, made


async def _keep(bench: RemovalBench, _: Any, database: Any, _attempt: int) -> None:
    bench.use(database)
    await bench.keep()


async def _overdue_with_receipt(bench: RemovalBench) -> Asked:
    holder, made = await _late(bench)
    keeper = bench.not_revoking()
    await keeper.keep(bench.now)
    await bench.submit(made, await bench.receipt(made))
    return holder, made


async def _day_over(bench: RemovalBench) -> Asked:
    holder, made = await _asked(bench)
    await bench.submit(made, await bench.receipt(made))
    bench.advance(timedelta(days=1))
    return holder, made


def _row(run: Any, prepare: Any) -> Row:
    return Row(
        world=removals_running, run=run, prepare=prepare, database=lambda bench: bench.database, harmless=CHECKPOINTS
    )


ROWS: Final[dict[str, Row]] = {
    "RequestDeletion": _row(_request, _enrolled),
    "a deletion command is delivered": _row(_deliver, _asked),
    "a deletion command is acknowledged": _row(_acknowledge, _asked),
    "SubmitDeletionReceipt": _row(_submit, _written),
    "SubmitDeletionReceipt of what is there": _row(_again, _given),
    "a removal is overdue": _row(_keep, _late),
    "a device is compliant again": _row(_keep, _overdue_with_receipt),
    "a day of removals is over": _row(_keep, _day_over),
}
