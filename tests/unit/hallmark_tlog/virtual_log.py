"""A small log made at test time: entries, tiles by the definition in tlog-tiles, signed checkpoints.

Built the slow and obvious way, on purpose: it shares no tree code with the library under test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.errors import MissingResource
from hallmark_tlog.note import Note, SignatureLine
from hallmark_tlog.vkey import KeyType, VerifierKey

ORIGIN = "log.example/virtual"
SIGNED_AT = 1_795_000_000


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1 over leaf hashes, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


@dataclass(frozen=True)
class SoftKey:
    """A signing key with its verifier key, from a 32-byte seed."""

    vkey: VerifierKey
    private: Ed25519PrivateKey | MLDSA44PrivateKey

    @classmethod
    def make(cls, name: str, key_type: KeyType, seed: int) -> "SoftKey":
        material = seed.to_bytes(32, "big")
        if key_type == KeyType.ML_DSA_44:
            private = MLDSA44PrivateKey.from_seed_bytes(material)
        else:
            private = Ed25519PrivateKey.from_private_bytes(material)
        return cls(VerifierKey(name, key_type, private.public_key().public_bytes_raw()), private)

    def sign(self, checkpoint: Checkpoint, timestamp: int = SIGNED_AT) -> SignatureLine:
        time = None if self.vkey.type == KeyType.ED25519 else timestamp
        message = message_to_sign(self.vkey, checkpoint, timestamp=time)
        return signature_line(self.vkey, self.private.sign(message), timestamp=time)


LOG_ED25519 = SoftKey.make(ORIGIN, KeyType.ED25519, 1)
LOG_ML_DSA = SoftKey.make(ORIGIN, KeyType.ML_DSA_44, 2)
WITNESS_ED25519 = SoftKey.make("witness.example/one", KeyType.ED25519_COSIGNATURE, 3)
WITNESS_ML_DSA = SoftKey.make("witness.example/two", KeyType.ML_DSA_44, 4)
LOG_VKEYS = (LOG_ED25519.vkey, LOG_ML_DSA.vkey)


def sign_note(checkpoint: Checkpoint, *keys: SoftKey, timestamp: int = SIGNED_AT) -> bytes:
    return bytes(Note(str(checkpoint), tuple(key.sign(checkpoint, timestamp) for key in keys)))


@dataclass
class VirtualLog:
    """All files of a log of these entries, by path. Tests alter `files` and look at what a verifier says."""

    entries: list[bytes]
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of_size(cls, size: int) -> "VirtualLog":
        return cls([b"entry %d" % index for index in range(size)])

    def __post_init__(self) -> None:
        self.leaves = [naive_leaf(entry) for entry in self.entries]
        self.checkpoint = Checkpoint(ORIGIN, len(self.entries), naive_root(self.leaves))
        self._write_tiles()
        self.sign()

    def sign(self, *keys: SoftKey) -> None:
        self.files["checkpoint"] = sign_note(self.checkpoint, *(keys or (LOG_ED25519, LOG_ML_DSA)))

    def at(self, size: int) -> Checkpoint:
        """The checkpoint this log had at an earlier size."""
        return Checkpoint(ORIGIN, size, naive_root(self.leaves[:size]))

    def fetch(self, path: str) -> bytes:
        if path not in self.files:
            raise MissingResource(path)
        return self.files[path]

    def read_hash(self, level: int, index: int) -> bytes:
        return naive_root(self.leaves[index << level : (index + 1) << level])

    def _write_tiles(self) -> None:
        for start in range(0, len(self.entries), 256):
            bundle = self.entries[start : start + 256]
            data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in bundle)
            self.files[_path("entries", start // 256, len(bundle))] = data
        level, hashes = 0, self.leaves
        while hashes:
            for start in range(0, len(hashes), 256):
                tile = hashes[start : start + 256]
                self.files[_path(str(level), start // 256, len(tile))] = b"".join(tile)
            full = len(hashes) // 256
            hashes = [naive_root(hashes[at * 256 : (at + 1) * 256]) for at in range(full)]
            level += 1


def _path(level: str, index: int, width: int) -> str:
    assert index < 1000  # one path group is enough for tests
    return f"tile/{level}/{index:03d}" + ("" if width == 256 else f".p/{width}")
