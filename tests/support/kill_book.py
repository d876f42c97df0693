"""A book of everything that a service under load acknowledged while it was killed, and the callers that write it.

Callers do what callers should: they repeat a call with its request_id until it is answered.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hallmark_client import Client, HallmarkError
from support.service import RunningService

T = TypeVar("T")
CALL_SECONDS = 2.0
ANSWER_SECONDS = 90.0
# What a caller may see of a server that dies; it tries again, with the same request_id.
PASSING = {"Unavailable", "DeadlineExceeded", "TransportRefused", "ResourceExhausted", "ProfileInvalid"}
# Not an answer that should be seen, nor one that tells a lie: tried again, counted, and told in the summary.
STUMBLES = {"Internal"}


@dataclass(frozen=True)
class Answered:
    """What may never differ between two answers to one request_id: the facts, and the entry in the log."""

    facts: tuple[object, ...]
    leaf: bytes


@dataclass(frozen=True)
class Ask:
    """A call that changes something. `about` is what it is about; `make` makes it, again and again if need be."""

    kind: str
    request_id: str
    about: str
    make: Callable[[Client], Answered]
    role: str = "admin"


@dataclass(frozen=True)
class Sealed:
    """An envelope that nobody may be unable to open, until its epoch is shredded."""

    version: str
    plaintext: bytes
    opening: Ask


@dataclass
class Book:
    """Written by many threads, with the lock held."""

    asks: dict[str, Ask] = field(default_factory=dict)
    answers: dict[str, set[Answered]] = field(default_factory=lambda: defaultdict(set))
    versions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Names of key versions that were acknowledged, by key."""
    signing: set[str] = field(default_factory=set)
    """Keys that everybody may sign with until the end."""
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The last acknowledged ones, by key; one caller changes them."""
    aliases: dict[str, str | None] = field(default_factory=dict)
    """Where each points, as acknowledged last; None when it was deleted."""
    revoked: dict[str, str] = field(default_factory=dict)
    """Acknowledged revocations: name of the event, by subject."""
    sealed: list[Sealed] = field(default_factory=list)
    shredded: set[str] = field(default_factory=set)
    stumbles: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """What no caller may ever see."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, text: str) -> None:
        with self.lock:
            self.findings.append(text)

    def note(self, ask: Ask, answered: Answered) -> None:
        with self.lock:
            self.asks[ask.request_id] = ask
            self.answers[ask.request_id].add(answered)

    def counts(self) -> Counter[str]:
        """Acknowledged calls, by kind."""
        with self.lock:
            return Counter(ask.kind for ask in self.asks.values())

    def answers_of(self, *kinds: str) -> list[tuple[Ask, Answered]]:
        """The one answer of each call; those with two are `contradictions`."""
        return [
            (self.asks[key], next(iter(given))) for key, given in self.answers.items() if self.asks[key].kind in kinds
        ]

    def contradictions(self) -> list[str]:
        return [f"{self.asks[key].kind} {key}" for key, given in self.answers.items() if len(given) != 1]


class Caller:
    """One client that outlives the server: a new address after each restart."""

    def __init__(self, service: RunningService, role: str, book: Book) -> None:
        self.role = role
        self.book = book
        self._service = service
        self._client: Client | None = None

    def answer(self, ask: Ask) -> Answered:
        """Asks until answered, and writes it down."""
        answered = self.until_answered(ask.make, what=f"{ask.kind} of {ask.about}")
        self.book.note(ask, answered)
        return answered

    def until_answered(self, call: Callable[[Client], T], *, what: str) -> T:
        """Raises what no caller may see, after it was written down."""
        deadline, attempts = time.monotonic() + ANSWER_SECONDS, 0
        while True:
            attempts += 1
            try:
                return call(self._connected())
            except HallmarkError as error:
                self.check_passing(error, f"{what}, attempt {attempts}")
                if time.monotonic() > deadline:
                    raise
            self.close()
            time.sleep(0.05)

    def until_refused(self, call: Callable[[Client], object], kind: type[HallmarkError], *, what: str) -> None:
        """Writes a finding down when it is done instead of refused."""
        done = "it was done"

        def refused(client: Client) -> str:
            try:
                call(client)
            except kind as error:
                return error.reason
            return done

        if self.until_answered(refused, what=what) == done:
            self.book.find(f"{what}: {done}")

    def check_passing(self, error: HallmarkError, place: str) -> None:
        """Raises what may not be seen."""
        kind = type(error).__name__
        text = f"{kind} {error.reason} ({place}): {error} {error.metadata}"
        with self.book.lock:
            if kind in STUMBLES:
                self.book.stumbles.append(text)
            elif kind not in PASSING:
                self.book.findings.append(text)
        if kind not in PASSING | STUMBLES:
            raise error

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Client:
        if self._client is None:
            self._client = self._service.client(self.role, timeout_seconds=CALL_SECONDS)
        return self._client
