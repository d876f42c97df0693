"""Entries of successful reads, written in groups: a read then costs no fsync of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from hallmark_client.device.audit.alarm import Alarm
from hallmark_client.device.audit.record import AuditRecord

GROUP_MAX: Final = 256
GROUP_SECONDS: Final = 1.0

_LIMITS_HELD: Final = 4


class BufferedAudit:
    """Holds records until somebody writes them. Whoever writes anything else takes them along, first. Otherwise a
    thread calls `write`, `seconds` after the first of them or when there are `limit`; while it has not come to that, up
    to four times as many are held, and then the reader writes itself. A process that is killed loses at most these;
    the chain itself stays whole.

    `write` is the owner's. It takes the owner's lock, then these records, then a transaction, so that records stand in
    the chain in the order they came, and come back here if the transaction fails:

        def _write_group(self) -> None:
            with self._lock, self._reads.taken() as records, self._transaction():
                self._chain.append_all(records)

    It is called without a lock of this class. If it fails, the next `add` tries again, and raises what it raises: where
    the audit cannot be written, reading ends.
    """

    def __init__(self, write: Callable[[], None], *, limit: int = GROUP_MAX, seconds: float = GROUP_SECONDS) -> None:
        self._write = write
        self._limit = limit
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: list[AuditRecord] = []
        self._alarm = Alarm(self._write_in_time)
        self._failed = False

    def add(self, record: AuditRecord) -> None:
        """Call it before the bytes are given, with no lock held or with one that the same thread may take again.

        Raises what `write` raises; then the record was not added.
        """
        with self._lock:
            due = self._failed or len(self._held) >= _LIMITS_HELD * self._limit
        if due:
            self._write()
        with self._lock:
            self._held.append(record)
            if len(self._held) == self._limit:
                self._alarm.set(0)
            elif not self._alarm.is_set:
                self._alarm.set(self._seconds)

    @contextmanager
    def taken(self) -> Iterator[tuple[AuditRecord, ...]]:
        """All records held, to be written inside the block; they come back, in front, if it fails."""
        with self._lock:
            records, self._held = tuple(self._held), []
            self._failed = False
            self._alarm.cancel()
        try:
            yield records
        except BaseException:
            with self._lock:
                self._held[:0] = records
                self._failed = bool(records)
            raise

    def flush(self) -> None:
        """Writes what is held, now. Call it when closing, too. Raises what `write` raises."""
        with self._lock:
            anything = bool(self._held)
        if anything:
            self._write()

    def _write_in_time(self) -> None:
        with self._lock:
            self._alarm.cancel()
        # `taken` has put the records back; a thread has nobody to tell, so the next `add` meets the failure itself.
        with suppress(Exception):
            self.flush()
