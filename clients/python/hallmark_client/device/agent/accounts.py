"""What each application may take of the agent at a time, so that none takes it from the others."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hallmark_client.device.agent.errors import AgentBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Of each application, except *_total. A reader takes two descriptors of the agent, a connection one or two.

    requests_per_second: with a burst of as many. refusals_per_minute: what it may ask for that is not there or not
    allowed. deletions_per_minute: each wears the root of trust (a TPM's counter lives some 100,000 steps). working:
    what is done at once in the vault, reads and requests together. put_bytes: of one artifact. frame_seconds: for one
    frame; idle_seconds: for the next bytes of what is stored. stop_seconds: for what is under way when the agent ends.
    """

    connections: int = 16
    connections_total: int = 256
    readers: int = 32
    readers_total: int = 256
    requests_per_second: int = 500
    refusals_per_minute: int = 60
    deletions_per_minute: int = 30
    working: int = 2
    put_bytes: int = 64 * 1024**3
    frame_seconds: float = 5.0
    idle_seconds: float = 30.0
    stop_seconds: float = 5.0


class Bucket:
    """`burst` at once, then as many per `seconds`. Any thread."""

    def __init__(self, burst: int, seconds: float, monotonic: Callable[[], float]) -> None:
        self._burst = burst
        self._each = seconds / burst
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._empty_at = monotonic() - seconds
        """When it would have been empty, had nothing been taken since."""

    def take(self) -> None:
        """Raises AgentBusy, and nothing is taken."""
        self._check(spend=True)

    def check(self) -> None:
        """Raises AgentBusy where `take` would."""
        self._check(spend=False)

    def _check(self, *, spend: bool) -> None:
        with self._lock:
            now = self._monotonic()
            after = max(self._empty_at, now - self._each * self._burst) + self._each
            if after > now + 1e-9:
                raise AgentBusy("this application asks too often", retry_after_seconds=after - now)
            if spend:
                self._empty_at = after


@dataclass(slots=True)
class Account:
    """Of one application."""

    application: str
    requests: Bucket
    refusals: Bucket
    deletions: Bucket
    work: threading.Semaphore
    connections: int = 0
    readers: int = 0


class Accounts:
    """Any thread."""

    def __init__(self, limits: AgentLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limits: Final = limits
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}

    def of(self, application: str) -> Account:
        """There are as many as the settings name applications."""
        with self._lock:
            if application not in self._accounts:
                self._accounts[application] = self._new(application)
            return self._accounts[application]

    def connect(self, account: Account) -> None:
        """Raises AgentBusy."""
        with self._lock:
            total = sum(each.connections for each in self._accounts.values())
            if account.connections >= self.limits.connections or total >= self.limits.connections_total:
                raise AgentBusy("too many connections", retry_after_seconds=1.0)
            account.connections += 1

    def disconnect(self, account: Account) -> None:
        with self._lock:
            account.connections -= 1

    @contextmanager
    def reader(self, account: Account) -> Iterator[Callable[[], None]]:
        """Room for one: what it gives is called when that reader is closed. Raises AgentBusy."""
        with self._lock:
            total = sum(each.readers for each in self._accounts.values())
            if account.readers >= self.limits.readers or total >= self.limits.readers_total:
                raise AgentBusy("too many readers are open: close some", retry_after_seconds=1.0)
            account.readers += 1
        try:
            yield lambda: self._reader_closed(account)
        except BaseException:
            self._reader_closed(account)
            raise

    def _reader_closed(self, account: Account) -> None:
        with self._lock:
            account.readers -= 1

    def _new(self, application: str) -> Account:
        limits = self.limits
        return Account(
            application=application,
            requests=Bucket(limits.requests_per_second, 1.0, self._monotonic),
            refusals=Bucket(limits.refusals_per_minute, 60.0, self._monotonic),
            deletions=Bucket(limits.deletions_per_minute, 60.0, self._monotonic),
            work=threading.Semaphore(limits.working),
        )
