import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hallmark.v1 import revocation_pb2
from hallmark_composite import verify
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import InvalidArgument, NotFound, OutOfRange, Reason, Unavailable
from kms.events.cursor import TokenKind
from kms.revocation import watch
from unit.kms.revocation.bench import Bench, running, serving

Response = revocation_pb2.WatchRevocationsResponse
NONCE = b"n" * 16


@contextlib.asynccontextmanager
async def _watching(bench: Bench, **fields: Any) -> AsyncIterator[AsyncGenerator[Response, None]]:
    request = revocation_pb2.WatchRevocationsRequest(**{"parent": "tenants/default", **fields})
    async with contextlib.aclosing(bench.servicer.WatchRevocations(request, bench.call("WatchRevocations"))) as frames:
        yield frames


async def _take(frames: AsyncGenerator[Response, None], count: int) -> list[Response]:
    async with asyncio.timeout(10):
        return [await anext(frames) for _ in range(count)]


def _told(frames: list[Response]) -> list[str]:
    """Events by the name of their key, other frames by their kind."""
    kinds = [(frame.WhichOneof("frame"), frame) for frame in frames]
    return [frame.event.subject.rpartition("/")[2] if kind == "event" else kind for kind, frame in kinds]


async def _refused(bench: Bench, error: type[Exception], **fields: Any) -> Any:
    async with _watching(bench, **fields) as frames:
        with pytest.raises(error) as refused:
            await _take(frames, 1)
    return refused.value


async def test_old_events_then_a_bookmark_then_live_ones(bench: Bench) -> None:
    await bench.revoke_keys("a", "b")
    async with _watching(bench) as frames:
        assert _told(await _take(frames, 3)) == ["a", "b", "bookmark"]
        waiting = asyncio.create_task(_take(frames, 2))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await bench.revoke_keys("c")
        live = await waiting
        assert _told(live) == ["c", "bookmark"]
        assert live[1].bookmark.sequence == 3


async def test_events_are_those_of_the_list(bench: Bench) -> None:
    await bench.revoke_keys("a", "b")
    async with _watching(bench) as frames:
        sent = await _take(frames, 3)
    assert [frame.event for frame in sent[:2]] == list((await bench.list()).events)


async def test_an_empty_feed_begins_with_a_bookmark(bench: Bench) -> None:
    async with _watching(bench) as frames:
        (bookmark,) = await _take(frames, 1)
    assert bookmark.WhichOneof("frame") == "bookmark"
    assert bookmark.bookmark.sequence == 0


async def test_every_cursor_resumes_right_after_its_frame(bench: Bench) -> None:
    await bench.revoke_keys("a", "b", "c")
    async with _watching(bench) as frames:
        sent = await _take(frames, 4)
    for number, frame in enumerate(sent):
        async with _watching(bench, cursor=frame.cursor) as resumed:
            rest = _told(await _take(resumed, max(4 - number - 1, 1)))
        assert rest == (_told(sent)[number + 1 :] or ["bookmark"])


async def test_the_cursor_of_a_list_goes_on_without_a_gap(bench: Bench) -> None:
    await bench.revoke_keys("a")
    cursor = (await bench.list()).cursor
    await bench.revoke_keys("b")
    async with _watching(bench, cursor=cursor) as frames:
        assert _told(await _take(frames, 2)) == ["b", "bookmark"]


async def test_more_than_one_batch_has_one_bookmark(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BATCH_EVENTS", 2)
    await bench.revoke_keys("a", "b", "c", "d")
    async with _watching(bench) as frames:
        assert _told(await _take(frames, 5)) == ["a", "b", "c", "d", "bookmark"]


async def test_every_watcher_gets_every_event(bench: Bench) -> None:
    async with contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(_watching(bench)) for _ in range(20)]
        for frames in watchers:
            await _take(frames, 1)
        waiting = [asyncio.create_task(_take(frames, 2)) for frames in watchers]
        await bench.revoke_keys("a")
        assert [_told(sent) for sent in await asyncio.gather(*waiting)] == [["a", "bookmark"]] * 20


async def test_other_tenants_are_not_shown(bench: Bench) -> None:
    await bench.revoke_keys("foreign", tenant="other")
    await bench.revoke_keys("own")
    async with _watching(bench) as frames:
        assert _told(await _take(frames, 2)) == ["own", "bookmark"]
    assert isinstance(await _refused(bench, NotFound, parent="tenants/other"), NotFound)


async def test_an_event_of_another_replica_is_seen_at_the_next_tick(tmp_path: Path) -> None:
    async with (
        running(tmp_path, tick_seconds=0.02) as here,
        serving(here.database, tmp_path, provider=here.provider, seed=2) as there,
        _watching(here) as frames,
    ):
        await _take(frames, 1)
        await there.revoke_keys("a")
        sent = await _take(frames, 2)
        assert _told(sent) == ["a", "bookmark"]
        async with _watching(there, cursor=sent[0].cursor) as resumed:
            assert _told(await _take(resumed, 1)) == ["bookmark"], "one replica's cursor serves on another"


async def test_heartbeats_without_a_nonce_are_unsigned(bench: Bench) -> None:
    async with _watching(bench) as frames:
        await _take(frames, 1)
        bench.clock.advance(30)
        bench.signal.notify("default")
        (frame,) = await _take(frames, 1)
    heartbeat = frame.heartbeat
    assert heartbeat.server_time.ToDatetime().isoformat() == "2026-11-21T12:00:30"
    assert heartbeat.next_in.seconds == 30
    assert not heartbeat.payload
    assert not heartbeat.HasField("signature")


async def test_heartbeats_are_signed_over_the_nonce(bench: Bench) -> None:
    await bench.revoke_keys("a")
    async with _watching(bench, nonce=NONCE, heartbeat_interval={"seconds": 5}) as frames:
        await _take(frames, 2)
        for beat in (1, 2):
            bench.clock.advance(5)
            bench.signal.notify("default")
            (frame,) = await _take(frames, 1)
            heartbeat = frame.heartbeat
            assert json.loads(heartbeat.payload) == {
                "iss": "spiffe://hallmark.test/server",
                "parent": "tenants/default",
                "server_time": f"2026-11-21T12:00:{5 * beat:02}.000000Z",
                "nonce": "bm5ubm5ubm5ubm5ubm5ubg==",
                "sequence": 1,
            }
            assert heartbeat.signature.context == "hallmark/heartbeat/v1"
            signature = heartbeat.signature.signature
            verify(bench.public_key, signature, message=heartbeat.payload, context=b"hallmark/heartbeat/v1")


async def test_heartbeats_come_by_themselves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that runs: nobody wakes the watcher."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(bench.clock, "monotonic", loop.time)
    async with _watching(bench, heartbeat_interval={"seconds": 1}) as frames:
        began = loop.time()
        assert _told(await _take(frames, 2)) == ["bookmark", "heartbeat"]
        assert 0.9 <= loop.time() - began <= 3


async def test_heartbeats_come_although_events_never_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BATCH_EVENTS", 2)
    await bench.revoke_keys("a", "b", "c", "d")
    async with _watching(bench) as frames:
        assert _told(await _take(frames, 1)) == ["a"]
        bench.clock.advance(31)
        assert _told(await _take(frames, 4)) == ["b", "heartbeat", "c", "d"]


async def test_a_lost_token_ends_the_stream_with_a_typed_error_and_it_can_be_resumed(bench: Bench) -> None:
    async with _watching(bench, nonce=NONCE) as frames:
        (bookmark,) = await _take(frames, 1)
        bench.provider.fail_next(Operation.SIGN, TokenUnavailable("the token is gone"))
        bench.clock.advance(30)
        bench.signal.notify("default")
        with pytest.raises(Unavailable) as refused:
            await _take(frames, 1)
    assert refused.value.reason is Reason.HSM_UNAVAILABLE
    await bench.revoke_keys("a")
    async with _watching(bench, cursor=bookmark.cursor, nonce=NONCE) as frames:
        assert _told(await _take(frames, 2)) == ["a", "bookmark"]


async def test_goodbye_when_the_server_drains(bench: Bench) -> None:
    async with _watching(bench) as frames:
        await _take(frames, 1)
        waiting = asyncio.create_task(_take(frames, 1))
        await asyncio.sleep(0.02)
        bench.draining.set()
        (frame,) = await waiting
        assert frame.goodbye.reason == "draining"
        assert frame.goodbye.retry_after_min.ToTimedelta() < frame.goodbye.retry_after_max.ToTimedelta()
        assert frame.cursor
        with pytest.raises(StopAsyncIteration):
            await anext(frames)
    async with _watching(bench, cursor=frame.cursor) as late:
        assert _told(await _take(late, 2)) == ["bookmark", "goodbye"]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"cursor": "x"}, "cursor", Reason.CURSOR_INVALID),
        ({"cursor": "A" * 88}, "cursor", Reason.CURSOR_INVALID),
        ({"nonce": bytes(15)}, "nonce", Reason.FIELD_INVALID),
        ({"nonce": bytes(65)}, "nonce", Reason.FIELD_INVALID),
        ({"heartbeat_interval": {"nanos": 999_999_999}}, "heartbeat_interval", Reason.FIELD_INVALID),
        ({"heartbeat_interval": {"seconds": 301}}, "heartbeat_interval", Reason.FIELD_INVALID),
        ({"heartbeat_interval": {"seconds": -1}}, "heartbeat_interval", Reason.FIELD_INVALID),
        ({"parent": "tenants/"}, "parent", Reason.NAME_INVALID),
    ],
)
async def test_bad_requests(bench: Bench, fields: dict, field: str, reason: Reason) -> None:
    refused = await _refused(bench, InvalidArgument, **fields)
    assert (refused.field, refused.reason) == (field, reason)


async def test_a_page_token_is_no_cursor(bench: Bench) -> None:
    await bench.revoke_keys("a", "b")
    token = (await bench.list(page_size=1)).next_page_token
    assert (await _refused(bench, InvalidArgument, cursor=token)).reason is Reason.CURSOR_INVALID


async def test_cursors_of_a_replaced_history_are_refused(bench: Bench) -> None:
    await bench.revoke_keys("a")
    cursor = (await bench.list()).cursor
    async with _watching(bench) as frames:
        await _take(frames, 2)
        await bench.replace_epoch()
        bench.signal.notify("default")
        with pytest.raises(OutOfRange):
            await _take(frames, 1)
    assert (await _refused(bench, OutOfRange, cursor=cursor)).reason is Reason.CURSOR_EPOCH


async def test_a_restored_backup_is_noticed_although_it_brings_the_epoch_back(bench: Bench) -> None:
    await bench.revoke_keys("a", "b")
    cursor = (await bench.list()).cursor
    await bench.forget_newest_event()
    await bench.revoke_keys("c")  # has the number that "b" had
    assert (await _refused(bench, OutOfRange, cursor=cursor)).reason is Reason.CURSOR_EPOCH


async def test_a_server_that_lost_events_refuses_the_cursors_beyond_its_end(bench: Bench) -> None:
    await bench.revoke_keys("a")
    newest = await bench.revocations.newest("default", bench.clock.now())
    ahead = bench.codec.encode(TokenKind.CURSOR, replace(newest, sequence=newest.sequence + 1))
    assert (await _refused(bench, OutOfRange, cursor=ahead)).reason is Reason.CURSOR_EPOCH


async def test_a_watcher_that_left_leaves_nothing_behind(bench: Bench) -> None:
    async with _watching(bench) as frames:
        await _take(frames, 1)
        (ticker,) = [task for task in asyncio.all_tasks() if task.get_name() == "feed-ticker"]
        waiting = asyncio.create_task(_take(frames, 1))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(ticker, 5)


async def test_the_ticker_outlives_a_database_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, tick_seconds=0.02) as bench, _watching(bench) as frames:
        await _take(frames, 1)
        real, failures = bench.database.read, iter([OSError("the database is away")] * 3)

        async def read(work: Any) -> Any:
            if (failure := next(failures, None)) is not None:
                raise failure
            return await real(work)

        monkeypatch.setattr(bench.database, "read", read)
        await asyncio.sleep(0.2)
        async with serving(bench.database, tmp_path, provider=bench.provider, seed=2) as there:
            await there.revoke_keys("a")
            assert _told(await _take(frames, 2)) == ["a", "bookmark"]
    assert "can not be read" in caplog.text
