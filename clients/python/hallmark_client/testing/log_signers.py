"""The keys of the fake's log: one Ed25519 key, ML-DSA-44 keys that follow one another."""

from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.note import Note
from hallmark_tlog.vkey import KeyType, VerifierKey


@dataclass(frozen=True, slots=True)
class FakeLogKey:
    """One key of the log. It signs until `retire_time`."""

    verifier: VerifierKey
    private_key: Ed25519PrivateKey | MLDSA44PrivateKey
    number: int
    create_time: datetime | None
    retire_time: datetime | None = None

    def signs(self, now: datetime) -> bool:
        return self.retire_time is None or now < self.retire_time


class FakeLogSigners:
    """Every key the log had, Ed25519 first."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        ed25519 = Ed25519PrivateKey.generate()
        verifier = VerifierKey(origin, KeyType.ED25519, ed25519.public_key().public_bytes_raw())
        self.keys = [FakeLogKey(verifier, ed25519, 1, None), self._ml_dsa(1, None)]

    def current(self, now: datetime) -> list[FakeLogKey]:
        return [key for key in self.keys if key.signs(now)]

    def rotate(self, now: datetime, retire_time: datetime) -> tuple[FakeLogKey, FakeLogKey]:
        """The ML-DSA-44 key that was the newest, with its end, and the one that follows it."""
        before = replace(self.keys[-1], retire_time=retire_time)
        key = self._ml_dsa(before.number + 1, now)
        self.keys[-1:] = [before, key]
        return before, key

    def sign(self, checkpoint: Checkpoint, now: datetime) -> bytes:
        lines = []
        for key in self.current(now):
            timestamp = None if key.verifier.type == KeyType.ED25519 else int(now.timestamp())
            signature = key.private_key.sign(message_to_sign(key.verifier, checkpoint, timestamp=timestamp))
            lines.append(signature_line(key.verifier, signature, timestamp=timestamp))
        return bytes(Note(text=str(checkpoint), signatures=tuple(lines)))

    def _ml_dsa(self, number: int, now: datetime | None) -> FakeLogKey:
        private_key = MLDSA44PrivateKey.generate()
        verifier = VerifierKey(self._origin, KeyType.ML_DSA_44, private_key.public_key().public_bytes_raw())
        return FakeLogKey(verifier, private_key, number, now)
