"""The watcher in a thread of its own."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, assert_never

from hallmark_client.client import Client
from hallmark_client.errors import DeadlineExceeded, HallmarkError, Unavailable
from hallmark_client.permission_rpc import WATCH_EVENTS
from hallmark_client.pump import Pump, StreamEnded
from hallmark_client.transport import Stream
from hallmark_client.watch.changes import Change
from hallmark_client.watch.commands import Ask, Close, Command, Do, Fetch, Next, Open, Sleep, Tell
from hallmark_client.watch.core import Core
from hallmark_client.watch.decisions import Use, use_of
from hallmark_client.watch.http_files import http_files
from hallmark_client.watch.own_device import device_of
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.snapshot import WatchSnapshot, snapshot_of
from hallmark_client.watch.status import WatchStatus
from hallmark_client.watch.store import MemoryStore, SqliteStore, Store

_logger = logging.getLogger("hallmark_client.watch")

STREAM_SECONDS: Final = 3600.0
"""Deadline of one stream; the watch resumes by itself. Spreads long-lived watchers over replicas, too."""
_JOIN_SECONDS: Final = 2.0


class Watcher:
    """Follows what was granted and taken back, and says what may be used now.

        with Watcher(client, store="watch.db", trusted_keys=keys, log_policy=policy, on_change=act) as watcher:
            if watcher.decision("artifacts/4f7c...").is_allowed: ...

    The constructor opens no connection: what was stored is used at once, and one thread, hallmark-watcher, goes on from
    there (a second one reads while a stream is open). `on_change` is called in it, one change after the other; an
    event counts as applied when it returns, and comes again when it raises. Close the watcher before its client.
    """

    def __init__(
        self,
        client: Client,
        *,
        store: Store | str | os.PathLike[str] | None = None,
        on_change: Callable[[Change], object] | None = None,
        files_url: str | None = None,
        **settings: Any,
    ) -> None:
        """store: a file's path; None: memory. files_url: where the public files are, for when the API can not be had.
        settings: those of WatchSettings; trusted_keys and log_policy are required.

        Raises StoreFailed, InvalidArgument, TypeError.
        """
        calls = client._calls  # noqa: SLF001 - the same package
        self._calls = calls
        self._read = None if files_url is None else http_files(files_url, calls.names.tenant)
        self._store = opened(store)
        self._core = Core(
            parent=calls.names.parent,
            settings=WatchSettings(**{"system": calls.system, **device_of(client), **settings}),
            store=self._store,
            has_files=self._read is not None,
        )
        self._callbacks = [] if on_change is None else [on_change]
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._stream: Stream[Any] | None = None
        self._pump: Pump[Any] | None = None
        self._failure: HallmarkError | None = None
        self._thread = threading.Thread(target=self._run, name="hallmark-watcher", daemon=True)
        self._thread.start()

    @property
    def status(self) -> WatchStatus:
        with self._changed:
            return self._core.status()

    def decision(self, subject: str) -> Use:
        """May it be used now? subject: an artifact, a consent or a lease; "artifacts/{sha256}" or its full name."""
        name = full_name(self._calls.names.parent, subject)
        with self._changed:
            return use_of(self._core.held, name, self._core.settings.clock.read())

    def snapshot(self) -> WatchSnapshot:
        """All that is held."""
        with self._changed:
            held = self._core.held
            return snapshot_of(held, held.clock.trusted.at(self._core.settings.clock.read()).proven)

    def on_change(self, callback: Callable[[Change], object]) -> None:
        """One more to be told, of what changes from now on."""
        with self._changed:
            self._callbacks.append(callback)

    def wait_ready(self, timeout_seconds: float) -> WatchStatus:
        """Until each feed has been whole once: at once where that is stored. Raises DeadlineExceeded, StoreFailed."""
        with self._changed:
            self._changed.wait_for(lambda: self._core.held.is_ready or self._failure is not None, timeout_seconds)
            if self._failure is not None:
                raise self._failure
            return ready_or_late(self._core.status(), timeout_seconds)

    def close(self) -> None:
        """Ends the thread. Closing twice is fine; nothing changes any more when it returns."""
        with self._changed:
            self._closing.set()
            stream = self._stream
        if stream is not None:
            stream.cancel()
        if threading.current_thread() is not self._thread:
            # A question that is held back by the server is not waited for: its answer changes nothing any more.
            self._thread.join(_JOIN_SECONDS)
            # Now, and not with the answer: only one watcher may have it open, and the next one may come at once.
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        steps = self._core.run()
        step: Callable[[], Command] = partial(next, steps)
        try:
            while True:
                with self._changed:
                    if self._closing.is_set():
                        break
                    command = step()
                    self._changed.notify_all()
                try:
                    step = partial(steps.send, self._perform(command))
                except Exception as error:  # the core knows what it means
                    step = partial(steps.throw, error)
        except HallmarkError as error:
            _logger.exception("the watcher has ended")
            self._failure = error
        finally:
            steps.close()
            self._close_stream()
            with self._changed:
                self._core.is_off = True
                self._changed.notify_all()
            self._store.close()

    def _perform(self, command: Command) -> Any:
        match command:
            case Open(request):
                self._open(request)
            case Next(timeout_seconds):
                return self._next(timeout_seconds)
            case Close():
                self._close_stream()
            case Ask(rpc, request, timeout_seconds):
                return self._calls.transport.unary(rpc, request, timeout_seconds)
            case Fetch(path, max_bytes):
                assert self._read is not None, "the core fetches only where there is an address"
                return self._read(path, max_bytes)
            case Sleep(seconds):
                self._closing.wait(seconds)
            case Tell(change):
                for callback in list(self._callbacks):
                    callback(change)
            case Do(work):
                return work()
            case _:
                assert_never(command)
        return None

    def _open(self, request: Any) -> None:
        self._close_stream()
        stream = self._calls.transport.stream(WATCH_EVENTS, request, STREAM_SECONDS)
        with self._changed:
            self._stream = stream
            if self._closing.is_set():
                stream.cancel()
        self._pump = Pump(stream)

    def _next(self, timeout_seconds: float) -> Any:
        if self._pump is None:
            raise Unavailable("STREAM_ENDED", "no stream is open")
        try:
            return self._pump.get(timeout_seconds, None)
        except StreamEnded:
            return None

    def _close_stream(self) -> None:
        pump, self._pump, self._stream = self._pump, None, None
        if pump is not None:
            with contextlib.suppress(HallmarkError):
                pump.close()


def opened(store: Store | str | os.PathLike[str] | None) -> Store:
    """A path is a SQLite file."""
    if store is None:
        return MemoryStore()
    return SqliteStore(store) if isinstance(store, str | os.PathLike) else store


def full_name(parent: str, subject: str) -> str:
    return subject if subject.startswith("tenants/") else f"{parent}/{subject}"


def ready_or_late(status: WatchStatus, timeout_seconds: float) -> WatchStatus:
    """Raises DeadlineExceeded."""
    if not status.is_ready:
        why = ", ".join(status.reasons)
        raise DeadlineExceeded("NOT_READY", f"after {timeout_seconds:g} s nothing is known yet: {why}")
    return status
