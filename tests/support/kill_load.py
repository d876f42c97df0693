"""Load on a service that is killed all the time. `with Load(service, seed=7) as book:` and everybody is busy."""

import random
import threading
import time
from collections.abc import Sequence
from typing import Final

from support.kill_act import Act
from support.kill_book import ANSWER_SECONDS, Book, Caller
from support.kill_envelope_acts import UsesEnvelopes
from support.kill_key_acts import MakesKeys, Renames, Revokes
from support.kill_sign_acts import Signs, SignsBatches, SignsStreams
from support.service import RunningService

ACTS: Final[tuple[type[Act], ...]] = (
    Signs,
    Signs,
    SignsStreams,
    SignsBatches,
    MakesKeys,
    Renames,
    Revokes,
    UsesEnvelopes,
)
"""All at once; each is a thread."""


class Load:
    """A thread for each act, those of `ACTS` unless others are given, until the block ends."""

    def __init__(self, service: RunningService, *, seed: int, acts: Sequence[Act] = ()) -> None:
        self.book = acts[0].book if acts else Book()
        self._stop = threading.Event()
        acts = acts or [
            kind(Caller(service, kind.role, self.book), random.Random(seed + number))
            for number, kind in enumerate(ACTS)
        ]
        self._threads = [threading.Thread(target=self._run, args=(act,), name=type(act).__name__) for act in acts]

    def __enter__(self) -> Book:
        for thread in self._threads:
            thread.start()
        return self.book

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 10)
            assert not thread.is_alive(), f"a caller hangs: {thread.name}"

    def _run(self, act: Act) -> None:
        try:
            while not self._stop.is_set():
                act.once()
                time.sleep(act.pause_seconds)
        except BaseException as error:
            self.book.find(f"{type(act).__name__} ended with {type(error).__name__}: {error}")
        finally:
            act.caller.close()
