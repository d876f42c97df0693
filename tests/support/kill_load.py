"""Load on a service that is killed all the time, and a book of everything it acknowledged.

Callers do what callers should: they repeat a call with its request_id until it is answered, and now and then they ask
again for an answer that they have already.
"""

import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
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
class SignCall:
    request_id: str
    key: str
    message: bytes


@dataclass
class Book:
    """Written by many threads. `answers`: every distinct answer to a request_id."""

    answers: dict[str, set[tuple[str, bytes, bytes]]] = field(default_factory=lambda: defaultdict(set))
    """(key version, signature, leaf hash)."""
    signed: dict[str, SignCall] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Names of key versions that were acknowledged, by key."""
    leaves: dict[bytes, str] = field(default_factory=dict)
    """Acknowledged log entries, and what they are about."""
    rotations: int = 0
    stumbles: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """What no caller may ever see."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Load:
    """`with Load(service) as book:` signs with several callers, makes keys and rotates them until the block ends."""

    def __init__(self, service: RunningService, *, signers: int = 4, seed: int) -> None:
        self.book = Book()
        self._service = service
        self._stop = threading.Event()
        jobs = [lambda number=number: self._sign(random.Random(seed + number)) for number in range(signers)]
        jobs.append(lambda: self._make_keys(random.Random(seed + signers)))
        self._threads = [threading.Thread(target=self._guarded, args=(job,)) for job in jobs]

    def __enter__(self) -> Book:
        for thread in self._threads:
            thread.start()
        return self.book

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 10)
            assert not thread.is_alive(), "a caller hangs"

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            self._find(f"a caller ended with {type(error).__name__}: {error}")

    def _find(self, text: str) -> None:
        with self.book.lock:
            self.book.findings.append(text)

    def _sign(self, randomness: random.Random) -> None:
        caller = Caller(self._service, "backend", self.book)
        own: list[SignCall] = []
        while not self._stop.is_set():
            with self.book.lock:
                keys = sorted(self.book.versions)
            if not keys:
                time.sleep(0.05)
                continue
            if own and randomness.random() < 0.2:
                call = randomness.choice(own)
            else:
                call = SignCall(str(uuid.uuid4()), randomness.choice(keys), uuid.uuid4().bytes)
                own.append(call)
            answer(self.book, caller, call)
        caller.close()

    def _make_keys(self, randomness: random.Random) -> None:
        caller = Caller(self._service, "admin", self.book)
        names: list[str] = []
        while not self._stop.is_set():
            request_id = str(uuid.uuid4())
            if len(names) < 3 or randomness.random() < 0.3:
                name = f"key-{len(names)}"
                names.append(name)
                key = caller.until_answered(
                    lambda client, name=name, request_id=request_id: client.keys.create(name, request_id=request_id)
                )
            else:
                name = randomness.choice(names)
                key = caller.until_answered(
                    lambda client, name=name, request_id=request_id: client.keys.rotate(name, request_id=request_id)
                )
            with self.book.lock:
                self.book.rotations += len(key.versions) > 1
                self.book.versions[name] |= {version.name for version in key.versions}
                self.book.leaves[key.log.leaf_hash] = f"{name}, made or rotated"
            time.sleep(0.2)
        caller.close()


class Caller:
    """One client that outlives the server: a new address after each restart."""

    def __init__(self, service: RunningService, role: str, book: Book) -> None:
        self._service, self._role, self._book = service, role, book
        self._client: Client | None = None

    def until_answered(self, call: Callable[[Client], T]) -> T:
        deadline, attempts = time.monotonic() + ANSWER_SECONDS, 0
        while True:
            attempts += 1
            try:
                if self._client is None:
                    self._client = self._service.client(self._role, timeout_seconds=CALL_SECONDS)
                return call(self._client)
            except HallmarkError as error:
                self._note(error, f"line {call.__code__.co_firstlineno}, attempt {attempts}")
                if time.monotonic() > deadline:
                    raise
            self.close()
            time.sleep(0.05)

    def _note(self, error: HallmarkError, place: str) -> None:
        """Raises what may not be seen."""
        kind = type(error).__name__
        text = f"{kind} {error.reason} ({place}): {error} {error.metadata}"
        with self._book.lock:
            if kind in STUMBLES:
                self._book.stumbles.append(text)
            elif kind not in PASSING:
                self._book.findings.append(text)
        if kind not in PASSING | STUMBLES:
            raise error

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def answer(book: Book, caller: Caller, call: SignCall) -> bool:
    """Asks until answered, and writes it down. True when the answer was a replay."""
    signature = caller.until_answered(
        lambda client: client.signing.sign(call.key, call.message, request_id=call.request_id)
    )
    with book.lock:
        book.signed[call.request_id] = call
        book.answers[call.request_id].add((signature.key_version, signature.signature, signature.log.leaf_hash))
        book.leaves[signature.log.leaf_hash] = f"a signature with {signature.key_version}"
    return signature.replayed
