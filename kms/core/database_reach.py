"""What a PostgreSQL that is out of reach costs its callers: they are told soon, and nobody waits for ever.

A host that is gone is noticed by TCP (kms.core.database). One that is frozen, or a proxy whose far side was cut off,
still acknowledges packets: there only a clock helps. And while the database is known to be away, one caller at a time
tries again and all others are told at once: attempts to connect take seconds, and calls would queue up behind them.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from kms.core.database_failures import is_away
from kms.core.errors import Reason, Unavailable

_LIMIT_SECONDS: Final = 15.0
"""For one transaction, from asking for a connection on: longer than locks are waited for."""
_AGAIN_SECONDS: Final = 0.5
"""Between two attempts to connect while it is away."""
_LOOK_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 1.0


@dataclass(slots=True, eq=False)
class _Asking:
    """One transaction. `driver` is None until it has its connection."""

    since: float
    driver: Any = None


class Reach:
    """Hands out connections of one engine. Thread-safe; has a thread of its own until `close`."""

    def __init__(self, engine: Engine, *, limit_seconds: float = _LIMIT_SECONDS) -> None:
        self._limit = limit_seconds
        self._lock = threading.Lock()
        self._asking: set[_Asking] = set()
        self._drivers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_away = False
        self._is_tried = False
        self._again_at = 0.0
        sa.event.listen(engine, "connect", lambda driver, _: self._drivers.add(driver))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="database-reach", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def connection(self, engine: Engine) -> Iterator[Connection]:
        """A connection of this engine, or of one with other options. For one short transaction: after the limit its
        socket is shut down, which the transaction sees as a lost connection. Raises Unavailable while it is away.
        """
        asking = _Asking(time.monotonic())
        with self._lock:
            self._refuse_while_away(asking.since)
            self._asking.add(asking)
        try:
            with self._connected(engine) as connection:
                asking.driver = connection.connection.dbapi_connection
                yield connection
        finally:
            with self._lock:
                self._asking.discard(asking)

    def close(self) -> None:
        """Idempotent."""
        self._closed.set()
        self._thread.join()

    def _refuse_while_away(self, now: float) -> None:
        if not self._is_away:
            return
        if self._is_tried or now < self._again_at:
            problem = "the database is not usable right now; retry"
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, problem, retry_after_seconds=_RETRY_SECONDS)
        self._is_tried = True

    def _connected(self, engine: Engine) -> Connection:
        try:
            connection = engine.connect()
        except Exception as error:
            with self._lock:
                self._is_away, self._is_tried = is_away(error), False
                self._again_at = time.monotonic() + _AGAIN_SECONDS
            raise
        with self._lock:
            self._is_away = self._is_tried = False
        return connection

    def _keep_looking(self) -> None:
        while not self._closed.wait(min(_LOOK_SECONDS, self._limit / 2)):
            with self._lock:
                self._end_overdue(time.monotonic())

    def _end_overdue(self, now: float) -> None:
        """Whose connection is not known is looking whether one of those that nobody holds is still good."""
        overdue = [asking for asking in self._asking if now - asking.since > self._limit]
        if not overdue:
            return
        self._is_away, self._again_at = True, now + _AGAIN_SECONDS
        ended = [asking.driver for asking in overdue if asking.driver is not None]
        if len(ended) < len(overdue):
            held = [asking.driver for asking in self._asking]
            ended += [driver for driver in self._drivers if not any(driver is each for each in held)]
        for driver in ended:
            _shut_down(driver)


def _shut_down(driver: Any) -> None:
    """Of psycopg: whoever waits for an answer on it is told that the connection is lost."""
    if driver.closed:
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(driver.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)
