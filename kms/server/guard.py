"""One guard around every RPC: admission (kms.server.admission) > deadline > errors > audit.

Servicers get a `Call` instead of the gRPC context and raise ServiceError; nothing else of gRPC reaches them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.errors import DeadlineExceeded, InternalError, Reason, ServiceError, Unimplemented
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.server.admission import BYTES_OF_A_TOKEN, Admission, Begun, Context, Decode, Known, decoded
from kms.server.audit import Entry, spelled
from kms.server.doors import Doors
from kms.server.errors import code_of, to_status
from kms.server.identity import AuthContext, read_channel
from kms.server.policy import Row
from kms.server.request_ids import REQUEST_ID, note_ids

faults: Final = logging.getLogger("hallmark.fault")

_MESSAGE_COST: Final = 1
_PERMIT_SECONDS: Final = 30
"""Of a stream: how long doors may take over it."""
_Encode: TypeAlias = Callable[[Any], bytes]
_Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


def _open() -> ServiceError | None:
    return None


class Guard(grpc.aio.ServerInterceptor):
    """See the module."""

    def __init__(
        self, doors: Doors, *, clock: Clock, randomness: Randomness, closing: Callable[[], ServiceError | None] = _open
    ) -> None:
        """`closing` says why no call is taken any more; None while they are."""
        self._doors = doors
        self._closing = closing
        self._admission = Admission(doors)
        self._clock = clock
        self._randomness = randomness
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        method = str(handler_call_details.method)
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return self._unknown(spelled(method))
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Any) -> Any:
        """Messages are decoded and encoded in here: what they weigh is counted, and thousands share one encoding."""
        decode, encode = handler.request_deserializer, _encoder(handler)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary, decode, encode))
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, handler.unary_stream, decode, encode))
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._unary(method, handler.stream_unary, decode, encode))
        return grpc.stream_stream_rpc_method_handler(self._stream(method, handler.stream_stream, decode, encode))

    def _unknown(self, method: str) -> Any:
        """Made anew for each call: what strangers make up is not kept. Fits every kind of call."""

        async def guarded(_: Any, context: Context) -> None:
            auth, entry = self._begin(method, context)
            try:
                self._check_open()
                call, terms = await self._admission.introduce(entry, auth, context)
                self._doors.limits.enter(call, _MESSAGE_COST, terms.quotas)
                _at_the_end(self._doors.limits.leave, call)
                raise Unimplemented(Reason.RPC_UNKNOWN, f"there is no call {method} here")
            except Exception as error:
                await self._refuse(entry, context, error)

        return grpc.stream_stream_rpc_method_handler(guarded)

    def _unary(
        self, method: str, behaviour: Callable[[Any, Call], Awaitable[Any]], decode: Decode, encode: _Encode
    ) -> Any:
        """One answer; `body` is a message, or an iterator of them where the client streams."""
        limits, admission = self._doors.limits, self._admission

        async def guarded(body: Any, context: Context) -> Any:
            auth, entry = self._begin(method, context)
            try:
                self._check_open()
                known = await admission.identify(entry, auth, context)
                limits.enter(known.call, admission.cost(known, entry, body), known.terms.quotas)
                # Not when the answer is made but when it has left: until its caller reads, it is in our memory.
                _at_the_end(limits.leave, known.call)
                request = decoded(self._paced(body, known), decode, entry)
                async with asyncio.timeout(_time_allowed(known.row, context)):
                    await admission.permit(known, request, entry)
                    if not isinstance(body, bytes):
                        request = self._permitted_each(request, known, entry)
                    response = encode(await behaviour(request, known.call))
            except Exception as error:
                body = request = None
                await self._refuse(entry, context, error)
                raise  # abort has raised already; this line is for the type checker
            except asyncio.CancelledError:
                self._finish(entry, "CANCELLED", "")
                raise
            entry.sent = len(response)
            context.set_trailing_metadata(((REQUEST_ID, entry.id),))
            self._finish(entry, "OK", "")
            return response

        return guarded

    def _stream(
        self, method: str, behaviour: Callable[[Any, Call], AsyncGenerator[Any, None]], decode: Decode, encode: _Encode
    ) -> Any:
        """Many answers; `body` as above. Written to the context, not yielded: a generator around the servicer's own
        would cost each open stream and each answer a little.
        """
        limits, admission = self._doors.limits, self._admission

        async def guarded(body: Any, context: Context) -> None:
            auth, entry = self._begin(method, context, with_certificate=False)
            try:
                self._check_open()
                known = await admission.identify(entry, auth, context)
                limits.enter_stream(known.call, admission.cost(known, entry, body), known.terms.quotas)
                try:
                    request = decoded(self._paced(body, known), decode, entry)
                    async with asyncio.timeout(_PERMIT_SECONDS):
                        begun = await admission.permit_stream(known, request, entry)
                    if not isinstance(body, bytes):
                        request = self._permitted_each(request, known, entry)
                    responses = behaviour(request, known.call)
                    del auth, body, request  # a stream may stay open for days
                    await self._send_all(responses, encode, context, entry, known, begun)
                finally:
                    limits.leave_stream(known.call)
            except (asyncio.CancelledError, grpc.aio.BaseError):  # the caller has gone, seen before or while writing
                self._finish(entry, "CANCELLED", "")
                raise
            except Exception as error:
                body = request = None  # noqa: F841 - see _refuse
                await self._refuse(entry, context, error)
            self._finish(entry, "OK", "")

        return guarded

    async def _send_all(
        self,
        responses: AsyncGenerator[Any, None],
        encode: _Encode,
        context: Context,
        entry: Entry,
        known: Known,
        begun: Begun,
    ) -> None:
        """Each answer as long as the caller may have it. Raises what the doors do."""
        admission, caller = self._admission, known.call.caller
        editions = begun.editions
        try:
            async for response in responses:
                self._doors.identifier.check_still(caller, self._clock.now())
                if not known.row.ends_revoked:
                    await admission.check_standing(known)
                if (current := await admission.editions(caller.tenant)) != editions:
                    editions = current
                    await admission.permit_again(known, begun.asked)
                payload = encode(response)
                entry.sent += len(payload)
                await context.write(payload)
                del response, payload  # they would be held until the next one
        finally:
            await responses.aclose()

    def _begin(self, method: str, context: Context, *, with_certificate: bool = True) -> tuple[AuthContext, Entry]:
        now, auth = self._clock.now(), context.auth_context()
        channel = read_channel(auth, context.peer(), with_certificate=with_certificate)
        entry = Entry(new_id(now, self._randomness), method, channel, now, time.perf_counter())
        note_ids(entry, context.invocation_metadata())
        return auth, entry

    def _check_open(self) -> None:
        refusal = self._closing()
        if refusal is not None:
            raise refusal

    def _paced(self, body: Any, known: Known) -> Any:
        """One message as it is: it was paid for. Of many each costs what a small call of its size would, before it is
        decoded. Who sends faster waits: flow control holds the sender back.
        """
        return body if isinstance(body, bytes) else self._paced_each(body, known)

    async def _paced_each(self, bodies: AsyncIterator[bytes], known: Known) -> AsyncIterator[bytes]:
        limits, quotas = self._doors.limits, known.terms.quotas
        async for body in bodies:
            cost = _MESSAGE_COST + len(body) // BYTES_OF_A_TOKEN
            while (wait := limits.wait_seconds(known.call, cost, quotas)) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            yield body

    async def _permitted_each(self, requests: AsyncIterator[Any], known: Known, entry: Entry) -> AsyncIterator[Any]:
        """What a client streams may name another thing in each message."""
        async for request in requests:
            self._doors.identifier.check_still(known.call.caller, self._clock.now())
            await self._admission.permit(known, request, entry)
            yield request

    async def _refuse(self, entry: Entry, context: Context, error: Exception) -> None:
        """Ends the call with a typed status. Always raises (gRPC's abort). What that raises stays for a while, in a
        cycle of grpc.aio's with all frames it knows; the messages of the call must not stay with it.
        """
        known = _known(error, entry)
        _forget_frames(error)
        code = code_of(known)
        self._finish(entry, code.name, known.reason.value)
        status = to_status(known, entry.id)
        trailers = (("grpc-status-details-bin", status.SerializeToString()), (REQUEST_ID, entry.id))
        await context.abort(code, known.message, trailers)

    def _finish(self, entry: Entry, outcome: str, reason: str) -> None:
        """Also of an observer that fails the others are told: the audit line is the last of them."""
        for observer in self._doors.observers:
            try:
                observer.finished(entry, outcome, reason)
            except Exception as error:
                faults.error("an observer failed", exc_info=error, extra={"facts": {"call_id": entry.id}})


def _encoder(handler: Any) -> _Encode:
    """What a servicer says as bytes is a message that is serialised already: the same for thousands of streams."""
    encode = handler.response_serializer
    return lambda message: message if type(message) is bytes else encode(message)


def _time_allowed(row: Row, context: Context) -> float | None:
    """The shorter of the caller's deadline and the server's own, seconds."""
    remaining = context.time_remaining()
    limits = [limit for limit in (remaining, row.deadline_seconds) if limit is not None]
    return min(limits) if limits else None


def _at_the_end(leave: Callable[[Call], None], call: Call) -> None:
    """Of the task in which grpc.aio runs a call: it sends the answer too."""
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda _: leave(call))


def _forget_frames(error: BaseException | None) -> None:
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


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
