"""Callers that sign: one by one, in batches, in streams."""

import random
import time
import uuid

from hallmark_client import Client, Signature, ToSign
from support.kill_act import Act, fresh_id
from support.kill_book import Answered, Ask, Caller


class Signs(Act):
    role = "backend"

    def once(self) -> None:
        key = self.a_key()
        if key is None:
            time.sleep(0.05)
        elif not self.asks_again():
            self.do(sign_ask(key, uuid.uuid4().bytes))


class SignsStreams(Act):
    role = "backend"
    pause_seconds = 0.05

    def once(self) -> None:
        key = self.a_key()
        if key is None or self.asks_again():
            return
        request_id, pieces = fresh_id(), [uuid.uuid4().bytes * size for size in (1, 5_000, 3)]

        def make(client: Client) -> Answered:
            return _signature(client.signing.sign_stream(key, pieces, request_id=request_id, timeout_seconds=5))

        self.do(Ask("streamed signature", request_id, key, make, self.role))


class SignsBatches(Act):
    """New items, and some that were answered before, alone or in another batch, in any order."""

    role = "backend"
    pause_seconds = 0.05

    def __init__(self, caller: Caller, randomness: random.Random) -> None:
        super().__init__(caller, randomness)
        self._items: dict[str, ToSign] = {}

    def once(self) -> None:
        key = self.a_key()
        if key is None or self.asks_again():
            return
        items = [_item(key, uuid.uuid4().bytes) for _ in range(self.randomness.randint(1, 24))]
        items += self.randomness.sample(
            sorted(self._items.values(), key=lambda item: str(item.request_id)), min(3, len(self._items))
        )
        self.randomness.shuffle(items)
        signatures = self.caller.until_answered(lambda client: self._all_of(client, items), what="batch")
        for item, signature in zip(items, signatures, strict=True):
            ask = _alone(item)
            self.book.note(ask, _signature(signature))
            if item.request_id not in self._items:
                self._items[ask.request_id] = item
                self.own.append(ask)

    def _all_of(self, client: Client, items: list[ToSign]) -> list[Signature]:
        """Raises the error of an item that failed: then the whole batch is sent again."""
        signatures: list[Signature] = []
        for outcome in client.signing.sign_many(items):
            if not isinstance(outcome, Signature):
                raise outcome
            signatures.append(outcome)
        return signatures


def sign_ask(key: str, message: bytes, role: str = "backend") -> Ask:
    return _alone(_item(key, message), role)


def _item(key: str, message: bytes) -> ToSign:
    return ToSign(name=key, data=message, request_id=fresh_id())


def _alone(item: ToSign, role: str = "backend") -> Ask:
    """As a call of its own: the same call as in a batch."""
    request_id = str(item.request_id)
    make = lambda client: _signature(client.signing.sign(item.name, item.data, request_id=request_id))  # noqa: E731
    return Ask("signature", request_id, item.name, make, role)


def _signature(signature: Signature) -> Answered:
    return Answered((signature.key_version, signature.signature), signature.log.leaf_hash)
