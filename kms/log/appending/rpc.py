"""The part of LogService that appends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

from hallmark.v1 import log_pb2
from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.errors import InvalidArgument, Reason, ServiceError, Unavailable
from kms.core.turns import ends_turn
from kms.log.appending.appending import Appended, AppendService, Event
from kms.log.appending.wire import BATCH_MAX, event_of, tenant_of, wait_of, write_appended

STREAM_EVENTS_MAX: Final = 128
"""Of one stream that are under way; the next message is read when the answer to one of them was taken."""

ToStatus = Callable[[ServiceError, str], Any]
"""google.rpc.Status of an error; the second argument is the id of the call."""
_Answers = asyncio.Queue[log_pb2.AppendStreamResponse | Exception | None]


class AppendRpc:
    """`to_status` is the server's own translation of errors, for events among others. `draining`: it is to close."""

    def __init__(self, appending: AppendService, clock: Clock, to_status: ToStatus, draining: asyncio.Event) -> None:
        self._appending = appending
        self._clock = clock
        self._to_status = to_status
        self._draining = draining

    async def AppendEntry(self, request: log_pb2.AppendEntryRequest, call: Call) -> log_pb2.AppendEntryResponse:
        event, wait = event_of(request, call), wait_of(request.wait)
        response = log_pb2.AppendEntryResponse()
        write_appended(response, await self._appending.append(event, now=call.now, wait=wait))
        return response

    async def BatchAppendEntries(
        self, request: log_pb2.BatchAppendEntriesRequest, call: Call
    ) -> log_pb2.BatchAppendEntriesResponse:
        tenant, wait = tenant_of(request.parent, call), wait_of(request.wait)
        if not 1 <= len(request.requests) <= BATCH_MAX:
            raise InvalidArgument(
                Reason.BATCH_TOO_LARGE,
                f"a batch has 1 to {BATCH_MAX} requests, not {len(request.requests)}",
                field="requests",
            )
        events: list[Event | ServiceError] = []
        for number, one in enumerate(request.requests):
            events.append(_event_or_refusal(one, call, tenant))
            if ends_turn(number):
                await asyncio.sleep(0)
        good = [event for event in events if isinstance(event, Event)]
        outcomes = iter(await self._appending.append_many(good, now=call.now, wait=wait) if good else ())
        response = log_pb2.BatchAppendEntriesResponse()
        for number, event in enumerate(events):
            self._write(response, next(outcomes) if isinstance(event, Event) else event, call)
            if ends_turn(number):
                await asyncio.sleep(0)
        return response

    async def AppendStream(
        self, requests: AsyncIterator[log_pb2.AppendEntryRequest], call: Call
    ) -> AsyncGenerator[log_pb2.AppendStreamResponse, None]:
        answers: _Answers = asyncio.Queue()
        places = asyncio.Semaphore(STREAM_EVENTS_MAX)
        running: set[asyncio.Task[None]] = set()
        reading = asyncio.create_task(self._read(requests, call, answers, places, running))
        closing = asyncio.create_task(self._draining.wait())
        closing.add_done_callback(lambda _: reading.cancel())
        try:
            while (answer := await answers.get()) is not None:
                if isinstance(answer, Exception):
                    raise answer
                yield answer
                places.release()  # not before: who does not read must not fill the memory with answers
        finally:
            for task in (closing, reading, *running):
                task.cancel()

    async def _read(
        self,
        requests: AsyncIterator[log_pb2.AppendEntryRequest],
        call: Call,
        answers: "_Answers",
        places: asyncio.Semaphore,
        running: set[asyncio.Task[None]],
    ) -> None:
        """Each message is a task of its own. Puts None behind the last answer, or the error that ends the stream."""

        async def answer(request: log_pb2.AppendEntryRequest) -> None:
            try:
                answers.put_nowait(await self._answer(request, call))
            except Exception as error:  # a fault of ours: raised by who gives the answers
                answers.put_nowait(error)

        try:
            async for request in requests:
                await places.acquire()
                task = asyncio.create_task(answer(request))
                running.add(task)
                task.add_done_callback(running.discard)
            if running:
                await asyncio.gather(*running)
            answers.put_nowait(None)
        except asyncio.CancelledError:
            if not self._draining.is_set():
                raise
            await asyncio.gather(*running)  # what was taken is answered; the client sends the rest elsewhere
            answers.put_nowait(Unavailable(Reason.SHUTTING_DOWN, "the server is closing; retry", retry_after_seconds=1))
        except Exception as error:  # of the requests
            answers.put_nowait(error)

    async def _answer(self, request: log_pb2.AppendEntryRequest, call: Call) -> log_pb2.AppendStreamResponse:
        response = log_pb2.AppendStreamResponse(request_id=request.request_id)
        try:
            event, wait = event_of(request, call), wait_of(request.wait)
            write_appended(response.response, await self._appending.append(event, now=self._clock.now(), wait=wait))
        except ServiceError as error:
            response.error.CopyFrom(self._to_status(error, call.id))
        return response

    def _write(
        self, response: log_pb2.BatchAppendEntriesResponse, outcome: Appended | ServiceError, call: Call
    ) -> None:
        result = response.results.add()
        if isinstance(outcome, ServiceError):
            result.error.CopyFrom(self._to_status(outcome, call.id))
            return
        if outcome.receipt is not None and not response.checkpoint:
            response.checkpoint = outcome.receipt.checkpoint
        shared = outcome.receipt is not None and outcome.receipt.checkpoint == response.checkpoint
        write_appended(result.response, outcome, whole_proof=not shared)


def _event_or_refusal(request: log_pb2.AppendEntryRequest, call: Call, tenant: str) -> Event | ServiceError:
    try:
        return event_of(request, call, batch_tenant=tenant)
    except ServiceError as error:
        return error
