"""What callers of a service do that is killed all the time: what is common to all kinds of them.

Each does one thing at a time and goes on when it was answered, so what it was told last is what has to be there.
"""

import random
import uuid
from typing import Final

from hallmark_client import Client
from hallmark_client.model.keys import Key
from support.kill_book import Answered, Ask, Caller

ASKED_AGAIN: Final = 0.2
"""Share of calls that repeat an earlier one."""


class Act:
    """One kind of caller; `once` is called again and again."""

    role = "admin"
    pause_seconds = 0.0

    def __init__(self, caller: Caller, randomness: random.Random) -> None:
        self.caller = caller
        self.book = caller.book
        self.randomness = randomness
        self.own: list[Ask] = []

    def once(self) -> None:
        raise NotImplementedError

    def do(self, ask: Ask) -> Answered:
        """A new call, answered."""
        answered = self.caller.answer(ask)
        self.own.append(ask)
        return answered

    def asks_again(self) -> bool:
        """Now and then instead of something new: an earlier call, which has to get its earlier answer."""
        if not self.own or self.randomness.random() >= ASKED_AGAIN:
            return False
        self.caller.answer(self.randomness.choice(self.own))
        return True

    def a_key(self) -> str | None:
        """One to sign with."""
        with self.book.lock:
            keys = sorted(self.book.signing)
        return self.randomness.choice(keys) if keys else None

    def make_key(self, name: str, **more: str) -> str:
        """The name of its first version."""
        found: list[Key] = []

        def make(client: Client) -> Answered:
            found[:] = [client.keys.create(name, request_id=request_id, **more)]
            return key_answer(found[0])

        request_id = fresh_id()
        self.do(Ask("key", request_id, name, make))
        self._acknowledge(name, found[0])
        return found[0].versions[-1].name

    def rotate(self, name: str) -> str:
        """The name of the new version."""
        found: list[Key] = []

        def make(client: Client) -> Answered:
            found[:] = [client.keys.rotate(name, request_id=request_id)]
            return key_answer(found[0])

        request_id = fresh_id()
        self.do(Ask("rotation", request_id, name, make))
        self._acknowledge(name, found[0])
        return found[0].versions[0].name

    def _acknowledge(self, name: str, key: Key) -> None:
        with self.book.lock:
            self.book.versions[name] |= {version.name for version in key.versions}


def key_answer(key: Key) -> Answered:
    assert key.log is not None
    return Answered((key.name,), key.log.leaf_hash)


def fresh_id() -> str:
    return str(uuid.uuid4())
