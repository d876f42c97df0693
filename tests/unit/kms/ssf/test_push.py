"""Push delivery (RFC 8935) to a real receiver: what arrives, what is tried again, when it stops."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from kms.core.database import Database
from kms.ssf import push, push_http
from kms.ssf.model import Delivery, Method, Overview, StreamStatus
from support.keys_world import keys_world
from unit.kms.ssf.bench import AUDIENCE, PUSH, SsfBench, make_bench, ssf_running
from unit.kms.ssf.certificates import server_and_client
from unit.kms.ssf.push_receiver import ACCEPTED, PushReceiver, receiving, response
from unit.kms.ssf.verifying import verified_claims


async def _configured(bench: SsfBench, token: str, receiver: PushReceiver, **more: str) -> str:
    return await bench.stream(token, delivery={"method": PUSH, "endpoint_url": receiver.url, **more})


async def _overview(bench: SsfBench) -> Overview:
    (found,) = await bench.receivers.list("default")
    return found


async def test_a_set_arrives_and_verifies(bench: SsfBench, token: str) -> None:
    async with receiving() as receiver:
        await _configured(bench, token, receiver, authorization_header="Bearer theirs")
        await bench.happen("devices/1")
        await bench.happen("devices/2")
        await bench.feed()
        assert await bench.pusher.step() == 1
        assert receiver.connections == 1, "one connection for a round"
        headers, _ = receiver.requests[0]
        assert headers[""] == "POST /events?of=mdm HTTP/1.1"
        assert headers["content-type"] == "application/secevent+jwt"
        assert (headers["accept"], headers["authorization"]) == ("application/json", "Bearer theirs")
        jwks = (await bench.call("GET", "/jwks.json")).json
        told = [verified_claims(each, jwks, audience=AUDIENCE)["sub_id"]["id"] for each in receiver.tokens]
        assert told == ["tenants/default/devices/1", "tenants/default/devices/2"]
        assert await bench.pusher.step() == 0
        overview = await _overview(bench)
        assert overview.stream is not None
        assert (overview.pending, overview.stream.last_delivery_time) == (0, bench.clock.now())


async def test_verification_goes_round_by_push(bench: SsfBench, token: str) -> None:
    async with receiving() as receiver:
        stream = await _configured(bench, token, receiver)
        await bench.call("POST", "/ssf/verify", {"stream_id": stream, "state": "s"}, token=token)
        await bench.pusher.step()
        claims = verified_claims(*receiver.tokens, (await bench.call("GET", "/jwks.json")).json, audience=AUDIENCE)
        assert list(claims["events"].values()) == [{"state": "s"}]


async def test_what_the_receiver_declines_is_kept_as_an_error_and_not_sent_again(bench: SsfBench, token: str) -> None:
    declined = response("400 Bad Request", b'{"err": "invalid_key", "description": "unknown kid"}')
    async with receiving(declined, ACCEPTED) as receiver:
        await _configured(bench, token, receiver)
        await bench.happen("devices/1")
        await bench.happen("devices/2")
        await bench.feed()
        await bench.pusher.step()
        overview = await _overview(bench)
        assert overview.stream is not None
        assert (overview.pending, overview.stream.refused, overview.stream.failures) == (0, 1, 0)
        assert overview.stream.last_error.endswith(": invalid_key: unknown kid")
        assert len(receiver.requests) == 2


_OTHER_ANSWERS = {
    "200": response("200 OK"),
    "a redirect": response("307 Temporary Redirect", b"", "Location: https://93.184.216.34/"),
    "401": response("401 Unauthorized"),
    "400 without an error": response("400 Bad Request", b"no JSON"),
    "400 with another object": response("400 Bad Request", b'{"err": 7}'),
    "500": response("500 Internal Server Error"),
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
    "too much": response("202 Accepted", b"x" * 20_000),
    "endless headers": b"HTTP/1.1 202 Accepted\r\n" + b"a: b\r\n" * 20_000,
    "half a body": b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nx",
}


@pytest.mark.parametrize("answer", _OTHER_ANSWERS.values(), ids=_OTHER_ANSWERS)
async def test_any_other_answer_is_tried_again(bench: SsfBench, token: str, answer: bytes) -> None:
    async with receiving(answer, ACCEPTED) as receiver:
        await _configured(bench, token, receiver)
        await bench.happen()
        await bench.feed()
        await bench.pusher.step()
        overview = await _overview(bench)
        assert overview.stream is not None
        assert (overview.pending, overview.stream.failures) == (1, 1)
        assert overview.stream.last_error
        bench.clock.advance(push.FIRST_SECONDS)
        assert await bench.pusher.step() == 1
        assert (await _overview(bench)).pending == 0
        assert len(set(receiver.tokens)) == 1, "the same set, with the same jti"


async def test_a_receiver_that_closes_each_time_gets_the_rest_in_the_next_round(bench: SsfBench, token: str) -> None:
    async with receiving(response("202 Accepted", b"", "Connection: close")) as receiver:
        await _configured(bench, token, receiver)
        for number in range(3):
            await bench.happen(f"devices/{number}")
        await bench.feed()
        while await bench.pusher.step():
            pass
        assert (len(set(receiver.tokens)), receiver.connections) == (3, 3)


async def test_pauses_grow_and_then_the_stream_is_paused_and_says_why(bench: SsfBench, token: str) -> None:
    async with receiving(response("503 Service Unavailable")) as receiver:
        stream = await _configured(bench, token, receiver)
        await bench.happen()
        await bench.feed()
        for attempt in range(push.FAILURES_MAX):
            assert await bench.pusher.step() == 1
            most = min(push.CEILING_SECONDS, push.FIRST_SECONDS * 2**attempt)
            bench.clock.advance(most)
        overview = await _overview(bench)
        assert overview.stream is not None
        assert overview.stream.status is StreamStatus.PAUSED
        assert overview.stream.reason == "16 attempts to push failed: the receiver answered 503"
        for _ in range(40):
            await bench.pusher.step()
            bench.clock.advance(push.CEILING_SECONDS)
        assert len(receiver.requests) == 2 * push.FAILURES_MAX, "then the word of it, as often"
        receiver.answers[:] = [ACCEPTED]
        await bench.call("POST", "/ssf/status", {"stream_id": stream, "status": "enabled"}, token=token)
        assert await bench.pusher.step() == 1
        assert (await _overview(bench)).pending == 0


async def test_two_replicas_push_once(tmp_path: Path, world_url: str | None) -> None:
    async with (
        keys_world(tmp_path, world_url) as world,
        receiving() as receiver,
        contextlib.AsyncExitStack() as closing,
    ):
        beside = Database(world.world.url)
        closing.callback(beside.close)
        first, second = await make_bench(world), await make_bench(world, seed=6, database=beside)
        token = (await first.receiver()).token
        await _configured(first, token, receiver)
        for number in range(5):
            await first.happen(f"devices/{number}")
        await first.feed()
        await asyncio.gather(first.pusher.step(), second.pusher.step())
        assert len(receiver.tokens) == 5


async def test_a_stream_that_is_deleted_during_a_round(bench: SsfBench, token: str) -> None:
    async with receiving() as receiver:
        stream = await _configured(bench, token, receiver)
        await bench.happen()
        await bench.feed()
        round_ = asyncio.create_task(bench.pusher.step())
        await bench.call("DELETE", f"/ssf/stream?stream_id={stream}", token=token)
        assert await round_ in {0, 1}


async def test_tls_is_verified_for_the_name(tmp_path: Path) -> None:
    right, wrong = server_and_client(tmp_path, "localhost"), server_and_client(tmp_path, "other.example")
    async with keys_world(tmp_path) as world:
        for number, ((server, client), expected) in enumerate(((right, 0), (wrong, 1))):
            bench = await make_bench(world, tls=client, seed=7 + number)
            async with receiving(tls=server) as receiver:
                token = (await bench.receiver(f"r{number}")).token
                await _configured(bench, token, receiver)
                await bench.happen(f"devices/{number}")
                await bench.feed()
                await bench.pusher.step()
                assert len(receiver.requests) == 1 - expected
            await bench.receivers.delete((await _overview(bench)).receiver.name, now=bench.clock.now())


async def test_private_addresses_are_asked_about_when_the_push_is_made(tmp_path: Path) -> None:
    async with ssf_running(tmp_path, networks=()) as bench, receiving() as receiver:
        token = (await bench.receiver()).token
        for url in (receiver.url, receiver.url.replace("http:", "https:")):
            delivery: Any = {"method": PUSH, "endpoint_url": url}
            (await bench.call("POST", "/ssf/stream", {"delivery": delivery}, token=token))
        await bench.call("POST", "/ssf/verify", {"stream_id": await _stream_id(bench)}, token=token)
        await bench.pusher.step()
        overview = await _overview(bench)
        assert overview.stream is not None
        assert "ssf.push_networks" in overview.stream.last_error
        assert receiver.connections == 0


async def _stream_id(bench: SsfBench) -> str:
    stream = (await _overview(bench)).stream
    assert stream is not None
    return stream.id


async def test_a_receiver_that_says_nothing_is_left(bench: SsfBench, token: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        client = push_http.PushClient(
            networks=bench.settings.networks, tls=ssl.create_default_context(), exchange_seconds=0.1
        )
        with pytest.raises(push_http.PushFailed):
            async with client.connected(Delivery(Method.PUSH, url)) as exchange:
                await exchange.push("token")
