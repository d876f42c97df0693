"""Two-way streams through the guard, as gRPC calls it: bytes come in one by one, answers go out."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from kms.core.clock import SystemClock
from kms.core.errors import InvalidArgument, PermissionDenied, Reason
from kms.core.identity import Role
from kms.server.guard import Guard
from kms.server.identity import MutualTls, spiffe_id
from kms.server.limits import Limits, RateLimit, StreamLimit
from kms.server.plain_doors import plain_doors
from kms.server.policy import POLICY
from support.randomness import SeededRandomness

METHOD = "/hallmark.v1.LogService/AppendStream"


class Aborted(Exception):
    """What gRPC's abort raises."""


class Context:
    """As much of gRPC's as the guard asks."""

    def __init__(self, role: Role = Role.BACKEND) -> None:
        self._name = spiffe_id("hallmark.test", "default", role, "b").encode()
        self.code: grpc.StatusCode | None = None
        self.reason = ""
        self.written: asyncio.Queue[tuple[Any, asyncio.Future[None]]] = asyncio.Queue()
        self.has_gone = False

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_subject_alternative_name": [self._name]}

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def write(self, message: Any) -> None:
        """Flow control in its strictest form: done when the caller has taken it and asks for the next."""
        if self.has_gone:
            raise grpc.aio.InternalError("the call is not there any more")
        taken = asyncio.get_running_loop().create_future()
        await self.written.put((message, taken))
        await taken

    async def abort(self, code: grpc.StatusCode, message: str, trailers: Any) -> None:
        status = status_pb2.Status.FromString(trailers[0][1])
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        self.code, self.reason = code, info.reason
        raise Aborted(message)


class Standings:
    """Everybody may go on, until the check that `revoked_at` counts to."""

    def __init__(self) -> None:
        self.checks = 0
        self.revoked_at = 0

    async def check(self, caller: object) -> None:
        self.checks += 1
        if self.checks == self.revoked_at:
            raise PermissionDenied(Reason.DEVICE_REVOKED, "this device was revoked")


class Stage:
    """A guard with limits, and how it serves a two-way behaviour."""

    def __init__(self, *, rate: float = 1e9, per_caller: int = 16) -> None:
        self.limit = RateLimit(rate, SystemClock())
        self.streams = StreamLimit(per_caller=per_caller, total=100)
        self.standing = Standings()
        doors = plain_doors(MutualTls("hallmark.test"), Limits(self.limit, self.streams), self.standing)
        self.guard = Guard(doors, clock=SystemClock(), randomness=SeededRandomness())

    async def serve(self, behaviour: Any, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        handler = grpc.stream_stream_rpc_method_handler(
            behaviour, request_deserializer=decode, response_serializer=str.encode
        )

        async def found(_: Any) -> Any:
            return handler

        wrapped = await self.guard.intercept_service(found, SimpleNamespace(method=METHOD))
        assert wrapped.request_deserializer is None, "messages are read inside the guard"
        return answers(wrapped.stream_stream(requests, context), context)


async def answers(serving: Any, context: Context) -> AsyncIterator[Any]:
    """What the guard writes, as the caller reads it; leaving early cancels the call, as gRPC does."""
    serving = asyncio.ensure_future(serving)
    try:
        while True:
            reading = asyncio.ensure_future(context.written.get())
            await asyncio.wait([serving, reading], return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                reading.cancel()
                await serving
                return
            message, taken = reading.result()
            yield message
            taken.set_result(None)
    finally:
        if not serving.done():
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving


def decode(body: bytes) -> str:
    if body == b"broken":
        raise DecodeError("no message")
    return body.decode()


async def echo(requests: AsyncIterator[str], call: Any) -> AsyncIterator[str]:
    async for request in requests:
        yield f"{request} for {call.caller.name}"


async def watched(stage: Stage, method: str, frames: list[Any], context: Context) -> AsyncIterator[Any]:
    """A stream with one request, as devices open it; each frame as it goes out."""

    async def behaviour(_request: str, _call: Any) -> AsyncIterator[Any]:
        for frame in frames:
            yield frame

    handler = grpc.unary_stream_rpc_method_handler(
        behaviour, request_deserializer=decode, response_serializer=str.encode
    )

    async def found(_: Any) -> Any:
        return handler

    wrapped = await stage.guard.intercept_service(found, SimpleNamespace(method=method))
    async for frame in answers(wrapped.unary_stream(b"please", context), context):
        assert isinstance(frame, bytes), "messages are encoded inside the guard"
        yield frame


async def several(count: int, *more: bytes) -> AsyncIterator[bytes]:
    for number in range(count):
        yield str(number).encode()
    for body in more:
        yield body


async def test_every_message_comes_through_with_who_sent_it() -> None:
    answers = [one async for one in await Stage().serve(echo, several(3), Context())]
    assert answers == [b"0 for b", b"1 for b", b"2 for b"]


@pytest.mark.parametrize("role", [role for role in Role if role not in POLICY[METHOD].roles])
async def test_who_may_not_call_it_is_refused_before_a_message_is_read(role: Role) -> None:
    context = Context(role)

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read a message of somebody who may not send any")
        yield b""

    with pytest.raises(Aborted):
        await anext(await Stage().serve(echo, never(), context))
    assert (context.code, context.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


async def test_who_sends_faster_than_the_rate_waits_and_is_not_refused() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = [one async for one in await Stage(rate=100).serve(echo, several(130), Context())]
    assert len(answers) == 130
    assert loop.time() - began >= 0.28, "one for the call and 130 messages, 100 of them at once"


async def test_messages_of_a_stream_and_calls_have_one_purse() -> None:
    stage = Stage(rate=20)
    answers = [one async for one in await stage.serve(echo, several(19), Context())]
    assert len(answers) == 19
    assert stage.limit.wait_seconds(spiffe_id("hallmark.test", "default", Role.BACKEND, "b"), 20) > 0


@pytest.mark.parametrize("ahead", [0, 2])
async def test_a_message_that_is_none_ends_the_stream_with_a_typed_status(ahead: int) -> None:
    context = Context()
    stream = await Stage().serve(echo, several(ahead, b"broken"), context)
    for _ in range(ahead):
        await anext(stream)
    with pytest.raises(Aborted):
        await anext(stream)
    assert (context.code, context.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


async def test_a_refusal_of_the_behaviour_is_told_as_it_is() -> None:
    async def refuses(requests: AsyncIterator[str], _call: Any) -> AsyncIterator[str]:
        yield await anext(requests)
        raise InvalidArgument(Reason.REQUEST_ID_INVALID, "no")

    context = Context()
    with pytest.raises(Aborted, match="no"):
        [one async for one in await Stage().serve(refuses, several(1), context)]
    assert (context.code, context.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_INVALID")


async def test_a_defect_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(_requests: AsyncIterator[str], _call: Any) -> AsyncIterator[str]:
        raise RuntimeError("the password is swordfish")
        yield ""

    context = Context()
    with caplog.at_level(logging.CRITICAL, "hallmark.fault"), pytest.raises(Aborted) as told:
        await anext(await Stage().serve(breaks, several(1), context))
    assert (context.code, context.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "swordfish" not in str(told.value)


async def test_streams_are_counted_and_given_back_however_they_end() -> None:
    stage = Stage(per_caller=1)

    async def open_ended() -> AsyncIterator[bytes]:
        yield b"0"
        await asyncio.Event().wait()

    first = await stage.serve(echo, open_ended(), Context())
    await anext(first)
    context = Context()
    with pytest.raises(Aborted):
        await anext(await stage.serve(echo, several(1), context))
    assert context.reason == "TOO_MANY_STREAMS"
    await first.aclose()  # type: ignore[attr-defined]
    assert [one async for one in await stage.serve(echo, several(1), Context())] == [b"0 for b"]
    with pytest.raises(Aborted):
        [one async for one in await stage.serve(echo, several(0, b"broken"), Context())]
    assert [one async for one in await stage.serve(echo, several(1), Context())] == [b"0 for b"]


async def test_a_cancelled_stream_closes_what_serves_it(caplog: pytest.LogCaptureFixture) -> None:
    closed = asyncio.Event()

    async def waits(requests: AsyncIterator[str], _call: Any) -> AsyncIterator[str]:
        try:
            yield await anext(requests)
            await asyncio.Event().wait()
        finally:
            closed.set()

    stream = await Stage().serve(waits, several(1), Context())
    await anext(stream)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    with caplog.at_level(logging.INFO, "hallmark.audit"):
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
    assert closed.is_set()
    assert [record.facts["outcome"] for record in caplog.records if record.name == "hallmark.audit"] == ["CANCELLED"]


async def test_who_waits_for_the_rate_can_be_cancelled() -> None:
    stream = await Stage(rate=1).serve(echo, several(5), Context())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await anext(stream)  # the call itself has cost what there was


WATCH_EVENTS, WATCH_HEALTH = (
    "/hallmark.v1.EventService/WatchEvents",
    "/grpc.health.v1.Health/Watch",
)


async def test_a_revoked_device_hears_no_more_of_a_stream() -> None:
    stage, context = Stage(), Context(Role.DEVICE)
    stage.standing.revoked_at = 3  # when it opens, then before each answer
    stream = watched(stage, WATCH_HEALTH, ["1", "2", "3"], context)
    assert await anext(stream) == b"1"
    with pytest.raises(Aborted):
        await anext(stream)
    assert context.reason == "DEVICE_REVOKED"


async def test_a_servicer_that_ends_revoked_streams_itself_can_say_so_first() -> None:
    stage, context = Stage(), Context(Role.DEVICE)
    stage.standing.revoked_at = 2
    assert [each async for each in watched(stage, WATCH_EVENTS, ["1", "revoked"], context)] == [b"1", b"revoked"]
    assert stage.standing.checks == 1


async def test_a_revoked_device_opens_no_stream_at_all() -> None:
    stage, context = Stage(), Context(Role.DEVICE)
    stage.standing.revoked_at = 1
    with pytest.raises(Aborted):
        await anext(watched(stage, WATCH_EVENTS, ["1"], context))
    assert context.reason == "DEVICE_REVOKED"


async def test_bytes_are_a_message_that_is_serialised_already() -> None:
    frame = b"the same object for everybody"
    stage, context = Stage(), Context(Role.DEVICE)
    said = [each async for each in watched(stage, WATCH_EVENTS, [frame, "text"], context)]
    assert said[0] is frame
    assert said[1] == b"text"


async def test_a_caller_who_has_gone_while_being_written_to_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    stage, context = Stage(per_caller=1), Context(Role.DEVICE)
    context.has_gone = True
    with caplog.at_level(logging.INFO), pytest.raises(grpc.aio.InternalError):
        await anext(watched(stage, WATCH_EVENTS, ["1"], context))
    assert [record.facts["outcome"] for record in caplog.records if record.name == "hallmark.audit"] == ["CANCELLED"]
    assert not [record for record in caplog.records if record.name == "hallmark.fault"]
    assert [each async for each in watched(stage, WATCH_EVENTS, ["1"], Context(Role.DEVICE))] == [b"1"], "given back"
