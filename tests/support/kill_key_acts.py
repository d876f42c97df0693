"""Callers that make keys, rotate, label, name and revoke them."""

import uuid

from hallmark_client import Client, FailedPrecondition
from hallmark_client.model.keys import Key
from support.kill_act import Act, fresh_id, key_answer
from support.kill_book import Answered, Ask
from support.kill_sign_acts import sign_ask


class MakesKeys(Act):
    pause_seconds = 0.2

    def once(self) -> None:
        with self.book.lock:
            names = sorted(self.book.signing)
        if len(names) < 3 or self.randomness.random() < 0.2:
            name = f"key-{len(names)}"
            self.make_key(name)
            with self.book.lock:
                self.book.signing.add(name)
        elif not self.asks_again():
            self.rotate(self.randomness.choice(names))


class Renames(Act):
    """Labels and aliases, of keys that others sign with and rotate."""

    pause_seconds = 0.2

    def once(self) -> None:
        key = self.a_key()
        if key is None or self.asks_again():
            return
        self.randomness.choice((self._label, self._point, self._delete))(key)

    def _label(self, key: str) -> None:
        request_id, labels = fresh_id(), {"number": str(len(self.own))}
        make = lambda client: key_answer(client.keys.update(key, labels=labels, request_id=request_id))  # noqa: E731
        self.do(Ask("label", request_id, key, make))
        with self.book.lock:
            self.book.labels[key] = labels

    def _point(self, key: str) -> None:
        """An alias that is deleted later is another one each time: whoever asks again wants to see it."""
        name, request_id = f"alias-{self.randomness.randrange(4)}", fresh_id()

        def make(client: Client) -> Answered:
            alias = client.aliases.set(name, key, request_id=request_id)
            assert alias.log is not None
            return Answered((alias.name,), alias.log.leaf_hash)

        self.caller.answer(Ask("alias", request_id, name, make))
        with self.book.lock:
            self.book.aliases[name] = key

    def _delete(self, _key: str) -> None:
        with self.book.lock:
            names = sorted(name for name, target in self.book.aliases.items() if target is not None)
        if not names:
            return
        name, request_id = self.randomness.choice(names), fresh_id()
        make = lambda client: Answered((), client.aliases.delete(name, request_id=request_id).leaf_hash)  # noqa: E731
        self.do(Ask("deleted alias", request_id, name, make))
        with self.book.lock:
            self.book.aliases[name] = None


class Revokes(Act):
    """Keys of its own: a signature, then a revocation or a report of compromise, then no signature any more."""

    pause_seconds = 0.3

    def once(self) -> None:
        if self.asks_again():
            return
        name = f"revoked-{len(self.own)}"
        version = self.make_key(name)
        self.do(sign_ask(name, uuid.uuid4().bytes, self.role))
        if self.randomness.random() < 0.7:
            self._revoke(name)
        else:
            self._report(name, version)
        self.caller.until_refused(
            lambda client: client.signing.sign(version, b"too late"), FailedPrecondition, what=f"signing with {version}"
        )

    def _revoke(self, name: str) -> None:
        request_id = fresh_id()

        def make(client: Client) -> Answered:
            event = client.revocations.revoke(name, "SUPERSEDED", request_id=request_id)
            return Answered((event.name, event.payload), event.log.leaf_hash)

        event = self.do(Ask("revocation", request_id, name, make)).facts[0]
        with self.book.lock:
            self.book.revoked[f"tenants/default/keys/{name}"] = str(event)

    def _report(self, name: str, version: str) -> None:
        request_id = fresh_id()
        found: list[Key] = []

        def make(client: Client) -> Answered:
            outcome = client.keys.report_compromise(version, request_id=request_id)
            found[:] = [outcome.key]
            return Answered(outcome.revocations, outcome.log.leaf_hash)

        (event,) = self.do(Ask("compromise", request_id, name, make)).facts
        self._acknowledge(name, found[0])
        with self.book.lock:
            self.book.revoked[version] = str(event)
