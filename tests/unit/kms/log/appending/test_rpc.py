import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from hallmark.v1 import log_pb2
from hallmark_tlog.entry import parse_entry
from kms.core.errors import InvalidArgument, NotFound, Reason, Unavailable
from kms.log.appending.rpc import STREAM_EVENTS_MAX
from kms.log.appending.wire import BATCH_MAX
from support.append_world import AppendWorld, append_world, call, request, until


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AppendWorld]:
    async with append_world(tmp_path) as world:
        yield world


async def sent(requests: Sequence[Any]) -> AsyncIterator[Any]:
    for one in requests:
        yield one


def reason_of(status: Any) -> str:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


async def test_append_entry(bench: AppendWorld) -> None:
    asked = request(details={"a": "b"}, personal={"who": "Ada"})
    answer = await bench.rpc.AppendEntry(asked, call())
    assert (answer.log.leaf_index, answer.replayed, list(answer.salts)) == (0, False, ["who"])
    bench.verify(answer.log.tlog_proof, answer.log.entry)
    again = await bench.rpc.AppendEntry(asked, call())
    assert (again.replayed, again.log.entry, again.salts) == (True, answer.log.entry, answer.salts)
    placed = await bench.rpc.AppendEntry(request(wait=log_pb2.APPEND_WAIT_SEQUENCED), call())
    assert (placed.log.leaf_index, placed.log.tlog_proof) == (1, b"")
    with pytest.raises(InvalidArgument):
        await bench.rpc.AppendEntry(request(wait=9), call())


async def test_a_batch_shares_one_checkpoint(bench: AppendWorld) -> None:
    batch = log_pb2.BatchAppendEntriesRequest(
        parent="tenants/default", requests=[request(parent="", subject=f"models/{number}") for number in range(100)]
    )
    answer = await bench.rpc.BatchAppendEntries(batch, call())
    assert len(answer.results) == 100
    for number, result in enumerate(answer.results):
        proof = result.response.log.tlog_proof
        assert proof.endswith(b"\n\n")
        proved = bench.verify(proof + answer.checkpoint, result.response.log.entry)
        assert f'"models/{number}"'.encode() in proved.entry
    batch.wait = log_pb2.APPEND_WAIT_SEQUENCED
    again = await bench.rpc.BatchAppendEntries(batch, call())
    assert all(result.response.replayed and not result.response.log.tlog_proof for result in again.results)
    assert again.checkpoint == b""
    assert len(await bench.world.stored()) == 100


async def test_refused_events_of_a_batch_take_nobody_with_them(bench: AppendWorld) -> None:
    taken = request()
    await bench.rpc.AppendEntry(taken, call())
    reused = request(request_id=taken.request_id, subject="models/other")
    large = request(details={f"n{number}": "x" * 4096 for number in range(17)})
    requests = [request(event_type="no"), request(), reused, request(parent="tenants/another"), large, request()]
    batch = log_pb2.BatchAppendEntriesRequest(parent="tenants/default", requests=requests)
    results = (await bench.rpc.BatchAppendEntries(batch, call())).results
    assert [reason_of(one.error) if one.WhichOneof("result") == "error" else "" for one in results] == [
        "FIELD_INVALID",
        "",
        "REQUEST_ID_REUSED",
        "RESOURCE_NOT_FOUND",
        "MESSAGE_TOO_LARGE",
        "",
    ]
    only_bad = log_pb2.BatchAppendEntriesRequest(parent="tenants/default", requests=[request(event_type="no")] * 2)
    assert len((await bench.rpc.BatchAppendEntries(only_bad, call())).results) == 2
    assert len(await bench.world.stored()) == 3


async def test_the_size_of_a_batch_is_bounded(bench: AppendWorld) -> None:
    for count in (0, BATCH_MAX + 1):
        batch = log_pb2.BatchAppendEntriesRequest(parent="tenants/default", requests=[request()] * count)
        with pytest.raises(InvalidArgument) as refused:
            await bench.rpc.BatchAppendEntries(batch, call())
        assert refused.value.reason is Reason.BATCH_TOO_LARGE
    with pytest.raises(NotFound):
        await bench.rpc.BatchAppendEntries(
            log_pb2.BatchAppendEntriesRequest(parent="tenants/another", requests=[request()]), call()
        )


async def test_a_stream_answers_each_message_by_its_request_id(bench: AppendWorld) -> None:
    asked = [request(subject=f"models/{number}") for number in range(300)]
    asked[5] = request(event_type="no", request_id="not a uuid")
    answers = {answer.request_id: answer async for answer in bench.rpc.AppendStream(sent(asked), call())}
    assert answers.keys() == {one.request_id for one in asked}
    assert reason_of(answers.pop("not a uuid").error) == "REQUEST_ID_INVALID"
    for one in asked:
        if one.request_id in answers:
            promise = answers[one.request_id].response.log
            assert f'"{one.subject}"'.encode() in bench.verify(promise.tlog_proof, promise.entry).entry
    assert len(await bench.world.stored()) == 299


async def test_who_never_reads_does_not_fill_the_memory(bench: AppendWorld) -> None:
    taken = 0

    async def endless() -> AsyncIterator[Any]:
        nonlocal taken
        while True:
            taken += 1
            yield request(wait=log_pb2.APPEND_WAIT_COMMITTED)

    stream = bench.rpc.AppendStream(endless(), call())
    await anext(stream)  # the answer that gRPC holds because nobody takes it
    bound = STREAM_EVENTS_MAX + 1
    async with asyncio.timeout(5):
        while len(await bench.world.stored()) < STREAM_EVENTS_MAX:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert taken <= bound
    assert len(await bench.world.stored()) <= bound
    for _ in range(10):
        await anext(stream)
    await until(lambda: taken > bound)
    await stream.aclose()


async def test_a_stream_that_is_given_up_stops_its_work(bench: AppendWorld) -> None:
    cancelled = asyncio.Event()

    async def then_silent() -> AsyncIterator[Any]:
        try:
            for _ in range(3):
                yield request()
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    before = len(asyncio.all_tasks())
    stream = bench.rpc.AppendStream(then_silent(), call())
    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(cancelled.wait(), 5)
    await until(lambda: len(asyncio.all_tasks()) <= before)
    after = request()
    (answer,) = [one async for one in bench.rpc.AppendStream(sent([after]), call())]
    assert answer.request_id == after.request_id


async def test_a_message_that_can_not_be_read_ends_the_stream_with_its_reason(bench: AppendWorld) -> None:
    async def broken() -> AsyncIterator[Any]:
        yield request(wait=log_pb2.APPEND_WAIT_COMMITTED)
        await asyncio.sleep(0.2)
        raise InvalidArgument(Reason.FIELD_INVALID, "not a message")

    stream = bench.rpc.AppendStream(broken(), call())
    assert (await anext(stream)).WhichOneof("result") == "response"
    with pytest.raises(InvalidArgument):
        await anext(stream)


async def test_a_fault_of_ours_ends_the_stream_instead_of_leaving_the_caller_waiting(
    bench: AppendWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a defect")

    async def open_ended() -> AsyncIterator[Any]:
        yield request()
        await asyncio.Event().wait()

    rpc = bench.rpc
    monkeypatch.setattr(rpc._appending, "append", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(anext(rpc.AppendStream(open_ended(), call())), 5)


async def test_events_of_a_stream_have_the_time_they_came_at(bench: AppendWorld) -> None:
    at = call()
    await asyncio.sleep(0.01)
    (answer,) = [one async for one in bench.rpc.AppendStream(sent([request(request_id=str(uuid.uuid4()))]), at)]
    assert parse_entry(answer.response.log.entry).time > at.now


async def test_a_server_that_closes_answers_what_it_took_and_ends_the_stream(bench: AppendWorld) -> None:
    async def open_ended() -> AsyncIterator[Any]:
        yield request()
        await asyncio.Event().wait()

    stream = bench.rpc.AppendStream(open_ended(), call())
    assert (await anext(stream)).WhichOneof("result") == "response"
    bench.draining.set()
    with pytest.raises(Unavailable) as caught:
        await asyncio.wait_for(anext(stream), 5)
    assert caught.value.reason == Reason.SHUTTING_DOWN
