"""From the outbox into queues: who gets what, once, whoever feeds; pauses and bounds."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from kms.core.database import Database
from kms.events.model import Status
from kms.ssf.model import EVENTS_SUPPORTED, QUEUE_MAX
from support.keys_world import keys_world
from unit.kms.ssf.bench import CREDENTIAL_CHANGE, SsfBench, make_bench, ssf_running
from unit.kms.ssf.verifying import decode

CONSENT = EVENTS_SUPPORTED[3]
TENANT_SUBJECT = {"format": "opaque", "id": "tenants/default"}
COMPLEX = {
    "format": "complex",
    "device": {"format": "opaque", "id": "tenants/default/devices/1"},
    "tenant": TENANT_SUBJECT,
    "user": {"format": "opaque", "id": "u-1"},
}


def _json(text: str) -> Any:
    return json.loads(decode(text.split(".")[1]))


async def _subjects(bench: SsfBench, token: str, stream: str) -> list[str]:
    await bench.feed()
    sets = (await bench.poll(token, stream))["sets"]
    await bench.poll(token, stream, ack=list(sets))
    events = [next(iter(_json(text)["events"].values())) for text in sets.values()]
    return [event["hallmark.v1"]["subject"].removeprefix("tenants/default/") for event in events]


async def test_only_types_that_were_asked_for_and_only_from_the_beginning_on(bench: SsfBench, token: str) -> None:
    await bench.happen("devices/before")
    stream = await bench.stream(token, events_requested=[CREDENTIAL_CHANGE])
    await bench.happen("devices/1")
    await bench.happen("consents/1", uri=CONSENT)
    await bench.happen("leases/1", uri="tag:hallmark.local,2026:secevent/odai/event-type/lease-granted")
    assert await _subjects(bench, token, stream) == ["devices/1"]
    await bench.call("PATCH", "/ssf/stream", {"stream_id": stream, "events_requested": [CONSENT]}, token=token)
    await bench.happen("devices/2")
    await bench.happen("consents/2", uri=CONSENT)
    assert await _subjects(bench, token, stream) == ["consents/2"]


async def test_a_receiver_hears_of_its_own_tenant_only(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    other = (await bench.receiver(tenant="another")).token
    other_stream = await bench.stream(other)
    await bench.happen("devices/1")
    await bench.happen("devices/2", tenant="another")
    assert await _subjects(bench, token, stream) == ["devices/1"]
    assert await _subjects(bench, other, other_stream) == ["tenants/another/devices/2"]


async def test_subjects_that_were_removed_and_added_again(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)

    async def change(how: str, subject: object) -> int:
        return (await bench.call("POST", f"/ssf/subjects:{how}", _about(stream, subject), token=token)).status

    async def told(*subjects: str) -> list[str]:
        for subject in subjects:
            await bench.happen(subject)
        await bench.happen("consents/1", uri=CONSENT, sub_id=COMPLEX)
        return await _subjects(bench, token, stream)

    device = {"format": "opaque", "id": "tenants/default/devices/1"}
    assert await change("remove", device) == 204
    assert await change("remove", device) == 204
    assert await told("devices/1", "devices/2") == ["devices/2", "consents/1"]
    assert await change("add", device) == 200
    user = {"format": "complex", "user": {"format": "opaque", "id": "u-1"}}
    assert await change("remove", user) == 204
    assert await told("devices/1") == ["devices/1"]
    assert await change("add", user) == 200
    for narrower in ("u-2", "u-1"):
        more = {"format": "complex", "user": {"format": "opaque", "id": narrower}, "group": TENANT_SUBJECT}
        assert await change("remove", more) == 204
    assert await told() == ["consents/1"], "a part that the event does not have is no match"
    named = {"format": "aliases", "identifiers": [device, {"format": "opaque", "id": "tenants/default/consents/1"}]}
    assert await change("remove", named) == 204
    assert await told("devices/1") == []
    for wrong in (
        None,
        {},
        {"format": "opaque"},
        {"format": "email", "email": "x"},
        {"format": "complex"},
        {"format": "opaque", "id": "\ud800"},
    ):
        assert await change("remove", wrong) == 400
    assert (
        await bench.call("POST", "/ssf/subjects:add", _about(stream, device, verified=1), token=token)
    ).status == 400


def _about(stream: str, subject: object, **more: object) -> dict[str, object]:
    return {"stream_id": stream, "subject": subject, **more}


async def test_replicas_that_feed_at_once_queue_nothing_twice_and_lose_nothing(
    tmp_path: Path, world_url: str | None
) -> None:
    async with keys_world(tmp_path, world_url) as world, contextlib.AsyncExitStack() as closing:
        first = await make_bench(world)
        beside = Database(world.world.url)
        closing.callback(beside.close)
        second = await make_bench(world, seed=6, database=beside)
        token = (await first.receiver()).token
        stream = await first.stream(token)
        expected = []
        for number in range(30):
            await first.happen(f"devices/{number}")
            expected.append(f"devices/{number}")
            if number % 7 == 0:
                await asyncio.gather(first.feeder.step(), second.feeder.step(), first.feeder.step())
        assert await _subjects(second, token, stream) == expected


async def test_what_stands_in_the_outbox_twice_is_told_once(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    regained = await bench.happen("devices/1", status=Status.VALID)
    assert await _subjects(bench, token, stream) == ["devices/1"]
    await bench.database.write(lambda tx: bench.place(tx, regained))
    assert await _subjects(bench, token, stream) == []


async def test_paused_holds_and_disabled_does_not(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)

    async def to(status: str) -> None:
        body = {"stream_id": stream, "status": status}
        assert (await bench.call("POST", "/ssf/status", body, token=token)).status == 200

    await bench.happen("devices/1")
    await bench.feed()
    await to("paused")
    await bench.happen("devices/2")
    assert await _subjects(bench, token, stream) == []
    await to("enabled")
    assert await _subjects(bench, token, stream) == ["devices/1", "devices/2"]
    await to("disabled")
    await bench.happen("devices/3")
    await to("enabled")
    await bench.happen("devices/4")
    assert await _subjects(bench, token, stream) == ["devices/4"]


async def test_too_much_that_waits_pauses_the_stream_and_says_so(tmp_path: Path) -> None:
    async with ssf_running(tmp_path, queue_max=5) as bench:
        token = (await bench.receiver()).token
        stream = await bench.stream(token)
        for number in range(8):
            await bench.happen(f"devices/{number}")
        await bench.feed()
        status = (await bench.call("GET", f"/ssf/status?stream_id={stream}", token=token)).json
        assert (status["status"], status["reason"]) == ("paused", "more than 5 events wait for the receiver")
        (word,) = (await bench.poll(token, stream))["sets"].values()
        updated = _json(word)
        assert updated["sub_id"] == {"format": "opaque", "id": stream}
        (event,) = updated["events"].values()
        assert (event["status"], event["reason"]) == ("paused", status["reason"])
        await bench.happen("devices/8")
        await bench.feed()
        await bench.call("POST", "/ssf/status", {"stream_id": stream, "status": "enabled"}, token=token)
        sets = (await bench.poll(token, stream))["sets"]
        told = [_json(text) for text in sets.values()]
        assert [claims["sub_id"]["id"].rpartition("/")[2] for claims in told] == ["5", "6", "7", "8", stream]
        (last,) = told[-1]["events"].values()
        assert last["status"] == "enabled"
        assert last["reason"].startswith("5 events were given up")
    assert QUEUE_MAX == 10_000


async def test_a_silent_receiver_is_paused_and_activity_keeps_it(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    days = 24 * 3600
    bench.clock.advance(6 * days)
    await bench.poll(token, stream)
    bench.clock.advance(6 * days)
    await bench.feed()
    assert (await bench.call("GET", f"/ssf/status?stream_id={stream}", token=token)).json["status"] == "enabled"
    bench.clock.advance(7 * days + 1)
    await bench.feed()
    (word,) = (await bench.poll(token, stream))["sets"].values()
    (event,) = _json(word)["events"].values()
    assert event == {"status": "paused", "reason": "the receiver was not active for inactivity_timeout"}


async def test_a_round_that_goes_wrong_does_not_end_the_feeder(
    bench: SsfBench, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.stream(token)
    bench.database.close()
    running = asyncio.create_task(bench.feeder.run())
    await asyncio.sleep(0.1)
    assert not running.done()
    running.cancel()
    assert "later again" in caplog.text
