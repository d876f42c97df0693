"""Rows of the table of writes: receivers of shared signals, their streams, feeding and delivery."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final

from fault.kms.write_table import REQUEST_ID, Row
from kms.core.errors import NotFound
from kms.ssf.model import Delivery, ReceiverName
from kms.ssf.push_http import Accepted
from support.keys_world import KeysWorld, keys_world
from unit.kms.ssf.bench import PUSH, SsfBench, make_bench

_NAME: Final = ReceiverName("default", "mdm")
_SUBJECT: Final = {"format": "opaque", "id": "tenants/default/devices/1"}
_QUEUE_MAX: Final = 3
_CLAIM_SECONDS: Final = 61


class _AcceptsAll:
    """Stands where a connection to a receiver does; the sets go nowhere."""

    may_go_on = True

    @contextlib.asynccontextmanager
    async def connected(self, _delivery: Delivery) -> AsyncIterator["_AcceptsAll"]:
        yield self

    async def push(self, _token: str) -> Accepted:
        return Accepted()


async def _receiver(world: KeysWorld) -> tuple[SsfBench, str]:
    bench = await make_bench(world, queue_max=_QUEUE_MAX)
    return bench, (await bench.receiver()).token


async def _with_stream(world: KeysWorld) -> tuple[str, str]:
    bench, token = await _receiver(world)
    return token, await bench.stream(token)


async def _with_token(world: KeysWorld) -> tuple[str, str]:
    return (await _receiver(world))[1], ""


async def _behind(world: KeysWorld) -> tuple[str, str]:
    """More has happened than may wait."""
    bench, token = await _receiver(world)
    stream = await bench.stream(token)
    for number in range(_QUEUE_MAX + 2):
        await bench.happen(f"devices/{number}")
    return token, stream


async def _fed(world: KeysWorld) -> tuple[str, str]:
    bench, token = await _receiver(world)
    stream = await bench.stream(token)
    await bench.happen()
    await bench.feed()
    return token, stream


async def _fed_for_push(world: KeysWorld) -> tuple[str, str]:
    token, stream = await _fed(world)
    delivery = {"method": PUSH, "endpoint_url": "https://mdm.example.com/"}
    bench = await make_bench(world)
    await bench.call("PATCH", "/ssf/stream", {"stream_id": stream, "delivery": delivery}, token=token)
    return token, stream


async def _bench(world: KeysWorld, database: Any, attempt: int) -> SsfBench:
    """Identifiers are made anew for each attempt, as the service does."""
    return await make_bench(world, database=database, seed=40 + attempt, queue_max=_QUEUE_MAX)


def _request(method: str, path: str, expected: Sequence[int], prepare: Any, **body: object) -> Row:
    async def run(world: KeysWorld, state: tuple[str, str], database: Any, attempt: int) -> None:
        token, stream = state
        bench = await _bench(world, database, attempt)
        fields = {**body, **({"stream_id": stream} if stream else {})}
        query = f"?stream_id={stream}" if method == "DELETE" else ""
        answer = await bench.call(method, path + query, fields, token=token)
        assert attempt == 0 or answer.status in expected, answer.content

    return _row(run, prepare)


def _row(run: Any, prepare: Any = None, between: Any = None) -> Row:
    return Row(world=keys_world, run=run, prepare=prepare, between=between, database=lambda world: world.world.database)


async def _create(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    await (await _bench(world, database, attempt)).receiver(request_id=REQUEST_ID)


async def _delete(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    bench = await _bench(world, database, attempt)
    with contextlib.suppress(NotFound):  # the first attempt was stored
        await bench.receivers.delete(_NAME, now=bench.clock.now())


async def _feed(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    await (await _bench(world, database, attempt)).feeder.step()


async def _feed_silent(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    bench = await _bench(world, database, attempt)
    bench.clock.advance(bench.settings.inactivity_timeout.total_seconds() + 1)
    await bench.feeder.step()


async def _poll(world: KeysWorld, state: tuple[str, str], database: Any, attempt: int) -> None:
    token, stream = state
    ids = (await (await make_bench(world)).poll(token, stream))["sets"]
    bench = await _bench(world, database, attempt)
    body = {"ack": list(ids), "returnImmediately": True}
    answer = await bench.call("POST", f"/ssf/poll/{stream}", body, token=token)
    assert attempt == 0 or answer.status == 200


async def _push(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    bench = await _bench(world, database, attempt)
    await replace(bench.pusher, client=_AcceptsAll()).step()  # type: ignore[arg-type]


def _claims_end(world: KeysWorld) -> None:
    world.world.clock.advance(_CLAIM_SECONDS)


ROWS: Final[dict[str, Row]] = {
    "CreateSsfReceiver": _row(_create),
    "DeleteSsfReceiver": _row(_delete, _fed),
    "a stream is created": _request("POST", "/ssf/stream", (201, 409), _with_token),
    "a stream is deleted": _request("DELETE", "/ssf/stream", (204, 404), _fed),
    "a stream is disabled": _request("POST", "/ssf/status", (200,), _fed, status="disabled"),
    "a subject is removed": _request("POST", "/ssf/subjects:remove", (204,), _with_stream, subject=_SUBJECT),
    "a verification": _request("POST", "/ssf/verify", (204, 429), _with_stream),
    "streams are fed": _row(_feed, _behind),
    "a silent receiver is paused": _row(_feed_silent, _with_stream),
    "a poll acknowledges": _row(_poll, _fed),
    "a push": _row(_push, _fed_for_push, _claims_end),
}
