"""One guard around every RPC: identify > authorise > limit > deadline > errors > audit.

Servicers get a `Call` instead of the gRPC context and raise ServiceError; nothing else of gRPC reaches them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    PermissionDenied,
    Reason,
    ResourceExhausted,
    ServiceError,
)
from kms.core.identity import Caller, Role
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.server import audit
from kms.server.audit import Entry
from kms.server.errors import code_of, to_status
from kms.server.identity import AuthContext, identify, read_channel
from kms.server.limits import RateLimit, StreamLimit
from kms.server.policy import POLICY, Row

CALLS_MAX: Final = 4096
"""Calls in progress, streams that the server sends apart. More are refused at once: each holds a message in memory."""

faults = logging.getLogger("hallmark.fault")

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Decode: TypeAlias = Callable[[bytes], Any]
_Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class Standing(Protocol):
    """Whether an identity that was given out may still be used. Asked for every call of a device: quick, from memory
    for a second at most.
    """

    async def check(self, caller: Caller) -> None:
        """Raises PermissionDenied when it may not."""


class Guard(grpc.aio.ServerInterceptor):
    """See the module. `trust_domain` is that of the client certificates."""

    def __init__(
        self,
        *,
        trust_domain: str,
        require_pq_tls: bool,
        rate: RateLimit,
        streams: StreamLimit,
        standing: Standing,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._trust_domain = trust_domain
        self._require_pq_tls = require_pq_tls
        self._rate = rate
        self._streams = streams
        self._standing = standing
        self._clock = clock
        self._randomness = randomness
        self._wrapped: dict[str, Any] = {}
        self._calls = 0

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        method = str(handler_call_details.method)
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None  # gRPC answers UNIMPLEMENTED
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Any) -> Any:
        decode, encode = handler.request_deserializer, _encoder(handler)  # requests are decoded in here
        if handler.unary_unary is not None:
            unary = self._unary(method, handler.unary_unary, decode)
            return grpc.unary_unary_rpc_method_handler(unary, response_serializer=encode)
        if handler.unary_stream is not None:
            stream = self._stream(method, handler.unary_stream, decode)
            return grpc.unary_stream_rpc_method_handler(stream, response_serializer=encode)
        if handler.stream_unary is not None:
            unary = self._unary(method, handler.stream_unary, decode)
            return grpc.stream_unary_rpc_method_handler(unary, response_serializer=encode)
        duplex = self._stream(method, handler.stream_stream, decode)
        return grpc.stream_stream_rpc_method_handler(duplex, response_serializer=encode)

    def _unary(self, method: str, behaviour: Callable[[Any, Call], Awaitable[Any]], decode: _Decode) -> Any:
        """One answer; `body` is a message, or an iterator of them where the client streams."""

        async def guarded(body: Any, context: _Context) -> Any:
            auth, entry = self._begin(method, context)
            self._calls += 1
            try:
                call, row = self._admit(auth, entry)
                request = _decoded(body, decode)
                self._charge(entry, call, row, request)
                await self._check_standing(call)
                async with asyncio.timeout(_time_allowed(row, context)):
                    response = await behaviour(request, call)
            except Exception as error:
                await self._refuse(entry, context, error)
                raise  # abort has raised already; this line is for the type checker
            except asyncio.CancelledError:
                audit.record(entry, "CANCELLED", "")
                raise
            finally:
                self._calls -= 1
            audit.record(entry, "OK", "")
            return response

        return guarded

    def _stream(self, method: str, behaviour: Callable[[Any, Call], AsyncGenerator[Any, None]], decode: _Decode) -> Any:
        """Many answers; `body` as above. Written to the context, not yielded: a generator around the servicer's own
        would cost each open stream and each answer a little.
        """

        async def guarded(body: Any, context: _Context) -> None:
            auth, entry = self._begin(method, context, with_certificate=False)
            try:
                call, row = self._admit(auth, entry)
                request = _decoded(body, decode)
                self._charge(entry, call, row, request)
                if not isinstance(body, bytes):
                    request = self._charged_each(body, decode, call, row)
                await self._check_standing(call)
                self._streams.take(call.caller.spiffe_id)
                try:
                    responses = behaviour(request, call)
                    del auth, body, request  # a stream may stay open for days
                    try:
                        async for response in responses:
                            if not row.ends_revoked:
                                await self._check_standing(call)
                            await context.write(response)
                            response = None  # noqa: PLW2901 - it would be held until the next one
                    finally:
                        await responses.aclose()
                finally:
                    self._streams.give_back(call.caller.spiffe_id)
            except (asyncio.CancelledError, grpc.aio.BaseError):  # the caller has gone, seen before or while writing
                audit.record(entry, "CANCELLED", "")
                raise
            except Exception as error:
                await self._refuse(entry, context, error)
            audit.record(entry, "OK", "")

        return guarded

    def _begin(self, method: str, context: _Context, *, with_certificate: bool = True) -> tuple[AuthContext, Entry]:
        now, auth = self._clock.now(), context.auth_context()
        channel = read_channel(auth, context.peer(), with_certificate=with_certificate)
        return auth, Entry(new_id(now, self._randomness), method, channel, now, time.perf_counter())

    def identify(self, auth: AuthContext, peer: str) -> Caller:  # noqa: ARG002 - see the benchmark's bare server
        """Raises Unauthenticated."""
        return identify(auth, self._trust_domain)

    def _admit(self, auth: AuthContext, entry: Entry) -> tuple[Call, Row]:
        caller = self.identify(auth, entry.channel.peer)
        entry.call = Call(entry.id, entry.method, caller, entry.channel, entry.now)
        if self._require_pq_tls and not entry.channel.is_post_quantum:
            raise FailedPrecondition(
                Reason.PQ_TLS_REQUIRED,
                f"this server takes post-quantum TLS only; {entry.channel.tls_version} with {entry.channel.group} was "
                "negotiated. Use a client that offers X25519MLKEM768",
            )
        row = POLICY.get(entry.method)
        if row is None:
            raise PermissionDenied(Reason.RPC_NOT_ALLOWED, f"{entry.method} is not open to anybody")
        if caller.role not in row.roles:
            raise PermissionDenied(
                Reason.ROLE_NOT_ALLOWED,
                f"role {caller.role} may not call {entry.method.rpartition('/')[2]}; "
                f"it is for {', '.join(sorted(row.roles))}",
            )
        return entry.call, row

    async def _check_standing(self, call: Call) -> None:
        """Of devices, whose certificates outlive a revocation. Raises PermissionDenied."""
        if call.caller.role is Role.DEVICE:
            await self._standing.check(call.caller)

    def _charge(self, entry: Entry, call: Call, row: Row, request: Any) -> None:
        """Raises ResourceExhausted."""
        entry.items = len(request.requests) if row.is_batch else 1
        cost = row.cost * max(entry.items, 1)
        self._rate.take(call.caller.spiffe_id, cost, device=call.caller.role is Role.DEVICE)
        if self._calls > CALLS_MAX:
            raise ResourceExhausted(
                Reason.QUEUE_FULL, "this server is busy with other calls; retry", retry_after_seconds=0.5
            )

    async def _charged_each(
        self, bodies: AsyncIterator[bytes], decode: _Decode, call: Call, row: Row
    ) -> AsyncIterator[Any]:
        """Each message costs what a call would. Who sends faster waits: flow control holds the sender back."""
        is_device = call.caller.role is Role.DEVICE
        async for body in bodies:
            while (wait := self._rate.wait_seconds(call.caller.spiffe_id, row.cost, device=is_device)) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            yield _decoded(body, decode)

    async def _refuse(self, entry: Entry, context: _Context, error: Exception) -> None:
        """Ends the call with a typed status. Always raises (gRPC's abort)."""
        known = _known(error, entry)
        code = code_of(known)
        audit.record(entry, code.name, known.reason.value)
        status = to_status(known, entry.id)
        trailers = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(code, known.message, trailers)


def _encoder(handler: Any) -> Callable[[Any], bytes]:
    """What a servicer says as bytes is a message that is serialised already: the same for thousands of streams."""
    encode = handler.response_serializer
    return lambda message: message if type(message) is bytes else encode(message)


def _decoded(body: Any, decode: _Decode) -> Any:
    """The message, or an iterator of them. Raises InvalidArgument, the iterator as well."""
    if not isinstance(body, bytes):
        return _decoded_each(body, decode)
    try:
        return decode(body)
    except DecodeError:
        raise InvalidArgument(Reason.FIELD_INVALID, "the request is not the protobuf message of this RPC") from None


async def _decoded_each(bodies: AsyncIterator[bytes], decode: _Decode) -> AsyncIterator[Any]:
    async for body in bodies:
        yield _decoded(body, decode)


def _time_allowed(row: Row, context: _Context) -> float | None:
    """The shorter of the caller's deadline and the server's own, seconds."""
    remaining = context.time_remaining()
    limits = [limit for limit in (remaining, row.deadline_seconds) if limit is not None]
    return min(limits) if limits else None


def _known(error: Exception, entry: Entry) -> ServiceError:
    match error:
        case ServiceError():
            return error
        case TimeoutError():
            return DeadlineExceeded(
                Reason.DEADLINE_EXCEEDED,
                "the call was not done in time; it may have taken effect: retry with the same request_id",
            )
        case _:
            faults.error("unexpected error in %s", entry.method, exc_info=error, extra={"facts": {"call_id": entry.id}})
            return InternalError(
                Reason.INTERNAL, f"something failed here; the operator finds it in the log under {entry.id}"
            )
