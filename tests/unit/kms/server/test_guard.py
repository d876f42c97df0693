"""What the guard holds to when its doors are slow, change their mind, or an observer fails."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from kms.core.clock import SystemClock
from kms.core.errors import PermissionDenied, Reason
from kms.server.admission import BYTES_OF_A_TOKEN
from kms.server.doors import Asked, Doors
from kms.server.guard import Guard
from kms.server.identity import MutualTls
from kms.server.limits import Limits, RateLimit, StreamLimit
from kms.server.plain_doors import plain_doors
from kms.tenants.model import Terms
from support.randomness import SeededRandomness
from unit.kms.server.test_guard_streams import Aborted, Context, Standings, answers

SIGN = "/hallmark.v1.SigningService/Sign"
SIGN_STREAM = "/hallmark.v1.SigningService/SignStream"
WATCH = "/hallmark.v1.RevocationService/WatchRevocations"


class UnaryContext(Context):
    """Also of calls with one answer."""

    remaining: float | None = None

    def time_remaining(self) -> float | None:
        return self.remaining

    def set_trailing_metadata(self, trailers: object) -> None:
        """Nothing here reads them."""


@dataclass
class Rules:
    """A TenantDoor, AccessDoor and ChannelDoor that does what a test says."""

    asked: Callable[[], Any] = lambda: None
    edition_now: int = 0
    suspended: bool = False
    denied: bool = False
    answered: list[str] = field(default_factory=list)

    async def terms(self, tenant: str) -> Terms:
        if self.suspended:
            raise PermissionDenied(Reason.TENANT_SUSPENDED, "suspended")
        return Terms(tenant)

    def edition(self, tenant: str) -> object:
        return self.edition_now

    async def check(self, call: object, row: object, asked: Asked, terms: object = None) -> tuple[str, ...]:
        if self.denied:
            raise PermissionDenied(Reason.ACCESS_DENIED, "denied")
        if terms is not None and (waiting := self.asked()) is not None:
            await waiting
        return ()


@dataclass
class Seen:
    """An observer that fails, or keeps what it is told."""

    fails: bool = False
    ends: list[tuple[str, str]] = field(default_factory=list)

    def admitted(self, entry: object, auth: object) -> None:
        """Nothing to do."""

    def finished(self, entry: object, outcome: str, reason: str) -> None:
        if self.fails:
            raise RuntimeError("this observer is broken")
        self.ends.append((outcome, reason))


class Stage:
    def __init__(self, rules: Rules, *observers: Seen, rate: float = 1e9) -> None:
        self.limits = Limits(RateLimit(rate, SystemClock()), StreamLimit(per_caller=4, total=10))
        doors: Doors = plain_doors(MutualTls("hallmark.test"), self.limits, Standings())
        doors = replace(doors, tenants=rules, access=rules, channels=rules, observers=observers, asked=_asked)
        self.guard = Guard(doors, clock=SystemClock(), randomness=SeededRandomness())

    async def wrapped(self, method: str, handler: Any) -> Any:
        async def found(_: Any) -> Any:
            return handler

        return await self.guard.intercept_service(found, SimpleNamespace(method=method))


def _asked(method: str, request: Any) -> Asked:
    return Asked(method)


def _text(body: bytes) -> str:
    return body.decode()


CODING = {"request_deserializer": _text, "response_serializer": str.encode}


async def _echo(request: str, call: object) -> str:
    return request


async def test_an_observer_that_fails_hides_the_call_from_no_other(caplog: pytest.LogCaptureFixture) -> None:
    seen, rules = Seen(), Rules()
    stage = Stage(rules, Seen(fails=True), seen)
    sign = (await stage.wrapped(SIGN, grpc.unary_unary_rpc_method_handler(_echo, **CODING))).unary_unary
    with caplog.at_level(logging.ERROR, "hallmark.fault"):
        assert await sign(b"x", UnaryContext()) == b"x"
        rules.suspended = True
        context = UnaryContext()
        with pytest.raises(Aborted):
            await sign(b"x", context)
    assert context.reason == "TENANT_SUSPENDED"
    assert seen.ends == [("OK", ""), ("PERMISSION_DENIED", "TENANT_SUSPENDED")]
    assert len(caplog.records) == 2


async def test_a_door_that_does_not_answer_is_left_at_the_deadline() -> None:
    rules = Rules(asked=lambda: asyncio.sleep(60))
    stage = Stage(rules)
    sign = (await stage.wrapped(SIGN, grpc.unary_unary_rpc_method_handler(_echo, **CODING))).unary_unary
    context = UnaryContext()
    context.remaining = 0.05
    with pytest.raises(Aborted):
        await asyncio.wait_for(sign(b"x", context), 5)
    assert (context.reason, stage.limits.calls) == ("DEADLINE_EXCEEDED", 0)


async def test_an_answer_that_nobody_reads_holds_its_place() -> None:
    """It is in memory as long: without that, who asks and never reads would fill it."""
    stage, is_made, is_read = Stage(Rules()), asyncio.Event(), asyncio.Event()
    sign = (await stage.wrapped(SIGN, grpc.unary_unary_rpc_method_handler(_echo, **CODING))).unary_unary

    async def serve() -> None:
        """As grpc.aio does: one task calls, and sends."""
        await sign(b"x", UnaryContext())
        is_made.set()
        await is_read.wait()

    serving = asyncio.create_task(serve())
    await is_made.wait()
    assert stage.limits.calls == 1
    is_read.set()
    await serving
    assert stage.limits.calls == 0


async def test_a_refused_call_leaves_no_message_behind() -> None:
    """grpc.aio keeps what its abort raised until cycles are collected: of messages of 4 MiB that would be the end."""

    class Message:
        """Which can be seen to go."""

    made: list[weakref.ref[Message]] = []

    def decode(body: bytes) -> Message:
        message = Message()
        made.append(weakref.ref(message))
        return message

    async def refuse(request: Message, call: object) -> str:
        raise PermissionDenied(Reason.ACCESS_DENIED, "no")

    coding = {"request_deserializer": decode, "response_serializer": str.encode}
    sign = (await Stage(Rules()).wrapped(SIGN, grpc.unary_unary_rpc_method_handler(refuse, **coding))).unary_unary
    gc.disable()
    try:
        with pytest.raises(Aborted) as kept:
            await asyncio.create_task(sign(b"x", UnaryContext()))
        assert [each() for each in made] == [None], kept
    finally:
        gc.enable()


async def test_what_a_client_streams_ends_when_its_tenant_is_suspended() -> None:
    rules, taken = Rules(), list[str]()

    async def sign(requests: AsyncIterator[str], call: object) -> str:
        async for request in requests:
            taken.append(request)
            rules.suspended = True
        return "signed"

    async def bodies() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    stage, context = Stage(rules), UnaryContext()
    wrapped = await stage.wrapped(SIGN_STREAM, grpc.stream_unary_rpc_method_handler(sign, **CODING))
    with pytest.raises(Aborted):
        await wrapped.stream_unary(bodies(), context)
    assert (context.reason, taken) == ("TENANT_SUSPENDED", ["one"])


async def test_a_change_while_the_doors_are_asked_ends_a_stream_before_its_first_answer() -> None:
    rules = Rules()

    def change() -> None:
        """After the access door has let the stream in."""
        rules.edition_now, rules.denied, rules.asked = 1, True, lambda: None

    rules.asked = change

    async def watch(request: str, call: object) -> AsyncIterator[str]:
        yield "secret"

    stage, context = Stage(rules), UnaryContext()
    wrapped = await stage.wrapped(WATCH, grpc.unary_stream_rpc_method_handler(watch, **CODING))
    with pytest.raises(Aborted):
        _ = [answer async for answer in answers(wrapped.unary_stream(b"", context), context)]
    assert (context.reason, stage.limits.streams) == ("ACCESS_DENIED", 0)


async def test_large_messages_of_a_stream_are_paid_for_before_they_are_decoded() -> None:
    stage, decoded = Stage(Rules(), rate=20), list[int]()

    def decode(body: bytes) -> bytes:
        decoded.append(len(body))
        return body

    async def sign(requests: AsyncIterator[bytes], call: object) -> str:
        return str(len([request async for request in requests]))

    async def bodies() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(20 * BYTES_OF_A_TOKEN)  # a second each

    coding = {"request_deserializer": decode, "response_serializer": str.encode}
    wrapped = await stage.wrapped(SIGN_STREAM, grpc.stream_unary_rpc_method_handler(sign, **coding))
    context = UnaryContext()
    context.remaining = 0.3
    with pytest.raises(Aborted):
        await wrapped.stream_unary(bodies(), context)
    assert (context.reason, decoded) == ("DEADLINE_EXCEEDED", [])
