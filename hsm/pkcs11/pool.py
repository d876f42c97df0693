"""The signer processes of one token: least loaded first, bounded, replaced when they die or hang.

A slot is starting, ready, or failed (waiting to start again). Calls go to the least loaded ready slot; if none is ready
they wait for one that is starting; if all have failed they get that failure at once. A failure that nobody but the
operator can cure (a wrong PIN) ends the pool: no slot starts again, so the token's PIN counter is never run down.
Calls that fail again and again open the circuit (hsm/breaker.py): then they are refused until a probe signs.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from hsm.breaker import CircuitBreaker, CircuitState
from hsm.errors import HsmBusy, HsmError, HsmTimeout, TokenUnavailable
from hsm.slot_health import SlotHealth

from .frames import Operation
from .process import SignerProcess
from .settings import Pkcs11Settings
from .slot import Slot
from .token_files import mend
from .writing_turn import WritingTurn

_LOG: Final = logging.getLogger(__name__)
_FIRST_BACKOFF_SECONDS: Final = 0.2
_MAX_BACKOFF_SECONDS: Final = 5.0
_ATTEMPTS: Final = 3
_STEADY_SECONDS: Final = 10.0
"""A process that lived this long starts again without delay."""


class WorkerPool:
    """`configuration` is the START frame; after the first start it also names the engine that won the race."""

    def __init__(self, settings: Pkcs11Settings, configuration: dict[str, Any], environ: dict[str, str]) -> None:
        self._settings = settings
        self._configuration = configuration
        self._environ = environ
        self._slots = [Slot() for _ in range(settings.worker_count)]
        self._changed = asyncio.Condition()
        self._writing = WritingTurn(settings.data_folder)
        self._fatal: HsmError | None = None
        self._closing = False
        self._items = 0
        self._idle = asyncio.Event()
        self._watchdog: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._breaker = CircuitBreaker(
            threshold=settings.circuit_failures, pause_seconds=settings.circuit_pause_seconds, clock=time.monotonic
        )
        self.starts = 0
        """Processes started so far, for tests and metrics."""

    async def start(self) -> dict[str, Any]:
        """Starts the first process alone (it tries the PIN and chooses the engine), then the others.

        Gives the first one's facts. Raises HsmError when it cannot start; others that cannot are retried.
        """
        first = await self._start_process()
        self._configuration = {**self._configuration, "raced_engine": first.facts["signing_engine"]}
        for slot in self._slots:
            slot.task = asyncio.create_task(self._keep_running(slot, first if slot is self._slots[0] else None))
        self._watchdog = asyncio.create_task(self._watch())
        async with self._changed:
            await self._changed.wait_for(lambda: all(slot.process or slot.failure for slot in self._slots))
        return first.facts

    async def close(self) -> None:
        """Lets what is in flight finish within the call's own time limit, then ends the processes."""
        if self._items:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), self._settings.call_timeout_seconds)
        self._closing = True
        tasks = [slot.task for slot in self._slots if slot.task is not None]
        tasks += [task for task in (self._watchdog, self._probing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def ready(self) -> list[SignerProcess]:
        return [slot.process for slot in self._slots if slot.process is not None]

    @property
    def circuit(self) -> CircuitState:
        return self._breaker.state

    def slots(self) -> tuple[SlotHealth, ...]:
        return tuple(slot.health(number) for number, slot in enumerate(self._slots))

    @contextlib.contextmanager
    def admitted(self, items: int) -> Iterator[None]:
        """Counts work in while it waits and runs. Raises HsmBusy when the queue is full, CircuitOpen.

        A batch larger than the queue is admitted when nothing waits.
        """
        self._admit()
        sent = sum(process.items for process in self.ready)  # also what its caller gave up: it is carried out
        waiting = max(self._items, sent)
        if waiting and waiting + items > self._settings.queue_limit * len(self._slots):
            raise HsmBusy(f"{waiting} signatures are waiting already; try again shortly, or slow down")
        self._items += items
        try:
            yield
        finally:
            self._items -= items
            if self._items == 0:
                self._idle.set()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Held while the token is changed, and while a process logs in. Raises HsmTimeout.

        A token in files is rewritten at both, and a process that logs in meanwhile does not find it.
        """
        async with contextlib.AsyncExitStack() as turn:
            try:
                await turn.enter_async_context(self._writing.held(timeout_seconds=self._settings.call_timeout_seconds))
            except TimeoutError:
                raise HsmTimeout("signer processes are starting and hold the token; try again shortly") from None
            yield

    async def call(
        self, operation: Operation, arguments: Any, *, items: int = 1, repeatable: bool = False, writes: bool = False
    ) -> Any:
        """Carries out one request; a repeatable one at most twice more if its process dies. Raises HsmError.

        Not without limit: a request that itself kills processes must not take them all down. One that writes to the
        token waits for its turn on a process that runs already, because those that start wait for the same turn.
        """
        self._admit()
        process: SignerProcess | None = None
        attempts = _ATTEMPTS if repeatable else 1
        try:
            async with asyncio.timeout(self._settings.call_timeout_seconds * 2):
                while True:
                    process = await self._pick(other_than=process)
                    try:
                        async with self.writing() if writes else contextlib.nullcontext():
                            if process.gone.done():
                                continue  # it ended before the request was sent
                            attempts -= 1
                            answer = await process.request(operation, arguments, items=items)
                    except TokenUnavailable:
                        if not attempts:
                            raise
                    else:
                        self._breaker.succeeded()
                        return answer
        except (TokenUnavailable, HsmTimeout) as error:
            self._breaker.failed(error, process.pid if process is not None else None)
            raise
        except TimeoutError:
            late = HsmTimeout("no signer process became ready in time; see `hallmark hsm doctor`")
            self._breaker.failed(late, None)
            raise late from None

    def _admit(self) -> None:
        """Raises CircuitOpen. What an operator must cure is told as what it is, by `_pick`."""
        if self._fatal is None:
            self._breaker.admit()

    async def call_each(self, operation: Operation, arguments: Any) -> list[Any]:
        """The same request to every ready process; results and HsmErrors."""
        calls = (process.request(operation, arguments) for process in self.ready)
        return await asyncio.gather(*calls, return_exceptions=True)

    async def probe(self) -> list[HsmError]:
        """Every ready process makes a real signature; the failures, one at least when none is ready."""
        slots = [slot for slot in self._slots if slot.process is not None]
        failures = [error for error in await asyncio.gather(*map(self._probe_slot, slots)) if error is not None]
        return failures or ([] if slots else [self.failure()])

    async def _probe_slot(self, slot: Slot) -> HsmError | None:
        assert slot.process is not None
        started = time.perf_counter()
        try:
            await slot.process.request(Operation.PROBE, [])
        except HsmError as error:
            slot.probe_ms, slot.last_problem = None, error
            return error
        slot.probe_ms = (time.perf_counter() - started) * 1000
        return None

    def failure(self) -> HsmError:
        """Why nothing is ready, as a new error to raise."""
        reasons = [slot.failure for slot in self._slots if slot.failure is not None]
        reason = self._fatal or (reasons[0] if reasons else TokenUnavailable("no signer process is ready"))
        return type(reason)(str(reason))

    async def _pick(self, other_than: SignerProcess | None = None) -> SignerProcess:
        """The least loaded ready process; the one just tried only if it is the last. Waits for one that is starting."""
        process = self._least_loaded(other_than)
        if process is not None:
            return process
        async with self._changed:
            while (process := self._least_loaded(other_than)) is None:
                if self._fatal is not None or self._closing or all(slot.failure for slot in self._slots):
                    raise self.failure()
                await self._changed.wait()
        return process

    def _least_loaded(self, other_than: SignerProcess | None) -> SignerProcess | None:
        ready = [process for process in self.ready if not process.gone.done()]
        return min(ready, key=lambda process: (process is other_than, process.items), default=None)

    async def _mend_token(self) -> None:
        """A process that was killed while it logged in may have left SoftHSM's token file empty."""
        try:
            mended = await asyncio.to_thread(mend, self._settings.data_folder)
        except OSError as error:
            raise TokenUnavailable(f"the token's files can not be read: {error.strerror}") from error
        if mended:
            _LOG.warning("the file of token %s was cut short by a kill; the copy was put back", ", ".join(mended))

    async def _start_process(self) -> SignerProcess:
        self.starts += 1
        return await SignerProcess.start(
            self._configuration, environ=self._environ, timeout_seconds=self._settings.start_timeout_seconds
        )

    async def _keep_running(self, slot: Slot, process: SignerProcess | None) -> None:
        """Starts the slot's process again and again, until closed or told that it is no use."""
        loop = asyncio.get_running_loop()
        backoff = 0.0
        try:
            while True:
                if process is None:
                    process = await self._try_to_start(slot)
                if process is None:
                    if self._fatal is not None:
                        return
                    backoff = min(max(2 * backoff, _FIRST_BACKOFF_SECONDS), _MAX_BACKOFF_SECONDS)
                    await asyncio.sleep(backoff)
                    continue
                slot.process, slot.failure, started_at = process, None, loop.time()
                slot.starts += 1
                await self._notify()
                reason = await asyncio.shield(process.gone)
                slot.process, slot.probe_ms, slot.last_problem = None, None, reason
                await process.kill(reason)
                _LOG.warning("signer process ended: %s", reason)
                process = None
                if loop.time() - started_at > _STEADY_SECONDS:
                    backoff = 0.0
                await asyncio.sleep(backoff)  # the first death costs no delay, deaths in a row do
                backoff = min(max(2 * backoff, _FIRST_BACKOFF_SECONDS), _MAX_BACKOFF_SECONDS)
        finally:
            if process is not None:
                await process.close()
            slot.process = None

    async def _try_to_start(self, slot: Slot) -> SignerProcess | None:
        """None with `slot.failure` set. Logins take turns, so that a PIN that went bad is tried once, not per slot."""
        async with self._writing.held():
            if self._fatal is None:
                try:
                    await self._mend_token()
                    return await self._start_process()
                except HsmError as error:
                    slot.failure = slot.last_problem = error
                    if not error.retryable:
                        self._fatal = error
                        _LOG.exception("signing has stopped until an operator acts and restarts")
            else:
                slot.failure = self._fatal
        await self._notify()
        return None

    async def _watch(self) -> None:
        limit = self._settings.call_timeout_seconds
        while True:
            await asyncio.sleep(min(limit / 10, 0.25))
            for process in self.ready:
                if process.expire(limit):
                    await process.kill(HsmTimeout(f"a signer process answered nothing for {limit:g} s; it is replaced"))
            if self._breaker.begin_probe():
                self._probing = asyncio.create_task(self._probe_for_the_breaker())

    async def _probe_for_the_breaker(self) -> None:
        failures = await self.probe()
        if failures and len(failures) >= len(self.ready):
            self._breaker.probe_failed(failures[0])
        else:
            self._breaker.probe_succeeded()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
