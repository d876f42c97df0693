"""A caller that seals and opens, makes data keys, begins epochs and shreds old ones."""

import random
import uuid

from hallmark_client import Client, FailedPrecondition, SealedEnvelope
from hallmark_envelope import HpkeKem, seal_envelope
from support.kill_act import Act, fresh_id
from support.kill_book import Answered, Ask, Caller, Sealed


class UsesEnvelopes(Act):
    """Seals and opens, makes data keys, begins epochs and shreds old ones."""

    pause_seconds = 0.1
    _NAME = "telemetry"

    def __init__(self, caller: Caller, randomness: random.Random) -> None:
        super().__init__(caller, randomness)
        self._epochs: list[str] = []

    def once(self) -> None:
        if not self._epochs:
            self._epochs.append(self.make_key(self._NAME, purpose="ENVELOPE"))
        if self.asks_again():
            return
        kind = self.randomness.random()
        if kind < 0.2:
            self._epochs.append(self.rotate(self._NAME))
        elif kind < 0.3 and len(self._epochs) > 2:
            self._shred(self._epochs.pop(0))
        elif kind < 0.6:
            self._data_key()
        else:
            self._seal_and_open()

    def _seal_and_open(self) -> None:
        key = self.caller.until_answered(lambda client: client.envelopes.key(self._NAME), what="envelope key")
        plaintext = uuid.uuid4().bytes
        envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), plaintext, info=b"")
        self._open(key.name, envelope, plaintext)

    def _data_key(self) -> None:
        request_id = fresh_id()
        found: list[tuple[str, bytes, bytes]] = []

        def make(client: Client) -> Answered:
            key = client.envelopes.data_key(self._NAME, request_id=request_id)
            found[:] = [(key.key_version, key.envelope, key.plaintext)]
            return Answered(found[0], key.log.leaf_hash)

        ask = Ask("data key", request_id, self._NAME, make)
        self.caller.answer(ask)
        version, envelope, plaintext = found[0]
        with self.book.lock:
            self.book.sealed.append(Sealed(version, plaintext, ask))
        self._open(version, envelope, plaintext)

    def _open(self, version: str, envelope: bytes, plaintext: bytes) -> None:
        ask = open_ask(version, envelope)
        (opened,) = self.caller.answer(ask).facts
        if opened != plaintext:
            self.book.find(f"an envelope to {version} opened to something else")
        with self.book.lock:
            self.book.sealed.append(Sealed(version, plaintext, ask))

    def _shred(self, version: str) -> None:
        request_id = fresh_id()

        def make(client: Client) -> Answered:
            shredding = client.envelopes.shred(version, request_id=request_id)
            return Answered((shredding.shred_time,), shredding.log.leaf_hash)

        self.do(Ask("shredding", request_id, version, make))
        with self.book.lock:
            self.book.shredded.add(version)
            lost = next((sealed for sealed in self.book.sealed if sealed.version == version), None)
        if lost is not None:
            self.caller.until_refused(lost.opening.make, FailedPrecondition, what=f"opening with {version}")


def open_ask(version: str, envelope: bytes) -> Ask:
    request_id = fresh_id()

    def make(client: Client) -> Answered:
        sealed = SealedEnvelope(key_version=version, kem_id=0, kdf_id=0, aead_id=0, envelope=envelope)
        opened = client.envelopes.open(sealed, request_id=request_id)
        return Answered((opened.plaintext,), opened.log.leaf_hash)

    return Ask("opening", request_id, version, make)
