"""The watcher as one asyncio task."""

import asyncio
import inspect
import logging
import os
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Self, assert_never

from hallmark_client.errors import HallmarkError
from hallmark_client.names import Names
from hallmark_client.permission_rpc import WATCH_EVENTS
from hallmark_client.profile import Profile
from hallmark_client.watch.changes import Change
from hallmark_client.watch.commands import Ask, Close, Command, Do, Fetch, Next, Open, Sleep, Tell
from hallmark_client.watch.core import Core
from hallmark_client.watch.decisions import Use, use_of
from hallmark_client.watch.grpc_aio import AioConnection
from hallmark_client.watch.http_files import http_files
from hallmark_client.watch.own_device import own_device
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.snapshot import WatchSnapshot, snapshot_of
from hallmark_client.watch.status import WatchStatus
from hallmark_client.watch.store import Store
from hallmark_client.watch.watcher import STREAM_SECONDS, full_name, opened, ready_or_late

_logger = logging.getLogger("hallmark_client.watch")


class AsyncWatcher:
    """`Watcher` for asyncio, over grpc.aio.

        async with AsyncWatcher(profile, store="watch.db", trusted_keys=keys, log_policy=policy) as watcher:
            await watcher.wait_ready(10)
            if watcher.decision("artifacts/4f7c...").is_allowed: ...

    To be made where a loop runs; the constructor opens no connection, and starts one task. Signatures and the store are
    worked at in the loop's default executor. `on_change` may be a coroutine function.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        store: Store | str | os.PathLike[str] | None = None,
        on_change: Callable[[Change], object] | None = None,
        files_url: str | None = None,
        **settings: Any,
    ) -> None:
        """As `Watcher`, with a profile in place of the client. Raises StoreFailed, InvalidArgument, TypeError."""
        names = Names(profile.tenant)
        self._parent = names.parent
        self._read = None if files_url is None else http_files(files_url, profile.tenant)
        self._store = opened(store)
        self._connection = AioConnection(profile)
        self._core = Core(
            parent=names.parent,
            settings=WatchSettings(**{"device": own_device(profile.cert_pem), **settings}),
            store=self._store,
            has_files=self._read is not None,
        )
        self._callbacks = [] if on_change is None else [on_change]
        self._ready = asyncio.Event()
        self._failure: HallmarkError | None = None
        self._task = asyncio.create_task(self._run(), name="hallmark-watcher")

    @property
    def status(self) -> WatchStatus:
        return self._core.status()

    def decision(self, subject: str) -> Use:
        """May it be used now? subject: an artifact, a consent or a lease; "artifacts/{sha256}" or its full name."""
        return use_of(self._core.held, full_name(self._parent, subject), self._core.settings.clock.read())

    def snapshot(self) -> WatchSnapshot:
        """All that is held."""
        held = self._core.held
        return snapshot_of(held, held.clock.trusted.at(self._core.settings.clock.read()).proven)

    def on_change(self, callback: Callable[[Change], object]) -> None:
        """One more to be told, of what changes from now on."""
        self._callbacks.append(callback)

    async def wait_ready(self, timeout_seconds: float) -> WatchStatus:
        """Until each feed has been whole once: at once where that is stored. Raises DeadlineExceeded, StoreFailed."""
        if not self._core.held.is_ready:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._ready.wait()
            except TimeoutError:
                pass  # said better below
        if self._failure is not None:
            raise self._failure
        return ready_or_late(self._core.status(), timeout_seconds)

    async def close(self) -> None:
        """Ends the task. Closing twice is fine; nothing changes any more when it returns."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        steps = self._core.run()
        step: Callable[[], Command] = partial(next, steps)
        try:
            while True:
                command = step()
                if self._core.held.is_ready:
                    self._ready.set()
                try:
                    step = partial(steps.send, await self._perform(command))
                except Exception as error:  # the core knows what it means
                    step = partial(steps.throw, error)
        except HallmarkError as error:
            _logger.exception("the watcher has ended")
            self._failure = error
            self._ready.set()
        finally:
            steps.close()
            self._core.is_off = True
            await self._connection.close()
            self._store.close()

    async def _perform(self, command: Command) -> Any:
        match command:
            case Open(request):
                await self._connection.open_stream(WATCH_EVENTS, request, STREAM_SECONDS)
            case Next(timeout_seconds):
                return await self._connection.next(timeout_seconds)
            case Close():
                await self._connection.close_stream()
            case Ask(rpc, request, timeout_seconds):
                return await self._connection.ask(rpc, request, timeout_seconds)
            case Fetch(path, max_bytes):
                assert self._read is not None, "the core fetches only where there is an address"
                return await asyncio.to_thread(self._read, path, max_bytes)
            case Sleep(seconds):
                await asyncio.sleep(seconds)
            case Tell(change):
                await self._tell(change)
            case Do(work):
                return await asyncio.shield(asyncio.to_thread(work))
            case _:
                assert_never(command)
        return None

    async def _tell(self, change: Change) -> None:
        for callback in list(self._callbacks):
            answer = callback(change)
            if inspect.isawaitable(answer):
                awaited: Awaitable[object] = answer
                await awaited
