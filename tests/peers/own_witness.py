"""A witness of our own, with throw-away keys: cosigns whatever it is shown, in either form of C2SP tlog-cosignature."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.note import Note, parse_note
from hallmark_tlog.vkey import KeyType, VerifierKey

_WHEN = 1_800_000_000


@dataclass(frozen=True, slots=True)
class OwnWitness:
    key: VerifierKey
    private_key: Ed25519PrivateKey | MLDSA44PrivateKey

    @classmethod
    def create(cls, name: str, key_type: KeyType) -> "OwnWitness":
        """`key_type` is 0x04 or 0x06."""
        private_key = MLDSA44PrivateKey.generate() if key_type == KeyType.ML_DSA_44 else Ed25519PrivateKey.generate()
        return cls(VerifierKey(name, key_type, private_key.public_key().public_bytes_raw()), private_key)

    def cosign(self, note: bytes) -> bytes:
        """The note with one more line."""
        parsed = parse_note(note)
        message = message_to_sign(self.key, parse_checkpoint(parsed.text), timestamp=_WHEN)
        line = signature_line(self.key, self.private_key.sign(message), timestamp=_WHEN)
        return bytes(Note(parsed.text, (*parsed.signatures, line)))
