"""The public files of a log, written with hallmark_tlog's own parts and signed by keys that live here."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark_tlog.bundles import format_bundle
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.compact import CompactRange
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.merkle import leaf_hash, root_from_leaves
from hallmark_tlog.note import Note, SignatureLine
from hallmark_tlog.tiles import TILE_WIDTH, Tile, partial_tiles, tile_at, tiles_of
from hallmark_tlog.vkey import KeyType, VerifierKey

ORIGIN = "log.example/hallmark"
WITNESS = "witness.example/w1"
SUBJECTS = ["keys/manifest", "keys/model-weights", "devices/7f3a", "approvals/release-12"]
TYPES = ["key.used", "key.created", "device.attested", "approval.given", "revocation.added"]


class LogSigner:
    """The log's Ed25519 and ML-DSA-44 keys and a witness; each is made from one byte, so tests are repeatable."""

    def __init__(self, seed: int = 1) -> None:
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self._mldsa = MLDSA44PrivateKey.from_seed_bytes(bytes([seed]) * 32)
        self._witness = Ed25519PrivateKey.from_private_bytes(bytes([seed + 100]) * 32)
        self.ed25519 = VerifierKey(ORIGIN, KeyType.ED25519, self._ed25519.public_key().public_bytes_raw())
        self.mldsa = VerifierKey(ORIGIN, KeyType.ML_DSA_44, self._mldsa.public_key().public_bytes_raw())
        witness = self._witness.public_key().public_bytes_raw()
        self.witness = VerifierKey(WITNESS, KeyType.ED25519_COSIGNATURE, witness)

    @property
    def vkeys(self) -> str:
        return f"{self.ed25519}\n{self.mldsa}\n"

    def note(self, checkpoint: Checkpoint, *, timestamp: int) -> bytes:
        def line(key: VerifierKey, private: Ed25519PrivateKey | MLDSA44PrivateKey, at: int | None) -> SignatureLine:
            message = message_to_sign(key, checkpoint, timestamp=at)
            return signature_line(key, private.sign(message), timestamp=at)

        lines = (
            line(self.ed25519, self._ed25519, None),
            line(self.mldsa, self._mldsa, timestamp),
            line(self.witness, self._witness, timestamp + 1),
        )
        return bytes(Note(str(checkpoint), lines))


def make_entry(index: int, **details: str) -> bytes:
    """An event like the service's: UUIDv7 ids whose time grows with the index."""
    milliseconds = 1_795_000_000_000 + index * 1000
    stamp = f"{milliseconds:012x}"
    value = {
        "v": 1,
        "id": f"{stamp[:8]}-{stamp[8:]}-7000-8000-{index:012x}",
        "type": TYPES[index % len(TYPES)],
        "tenant": "acme",
        "subject": f"tenants/acme/{SUBJECTS[index % len(SUBJECTS)]}",
        "time": "2026-11-21T12:00:00.000000Z",
        "details": {"sha256": f"{index:064x}", **details},
    }
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class PublishedLog:
    """A folder with a log of any entries. `publish` writes what a checkpoint of that size needs."""

    def __init__(self, folder: Path, *, seed: int = 1) -> None:
        self.folder = folder
        self.signer = LogSigner(seed)
        self._checkpoints: list[dict[str, object]] = []

    def publish(self, entries: Sequence[bytes], *, timestamp: int, history: bool = False) -> Checkpoint:
        size = len(entries)
        hashes = _levels([leaf_hash(entry) for entry in entries])
        bundles = [tile_at(None, index, size) for index in range(-(-size // TILE_WIDTH))]
        for tile in {*tiles_of(size), *partial_tiles(size), *bundles}:
            place = slice(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width)
            if tile.level is None:
                self.write(tile.path, format_bundle(entries[place]))
            else:
                self.write(tile.path, b"".join(hashes[tile.level][place]))
        checkpoint = Checkpoint(ORIGIN, size, root_from_leaves(hashes[0]))
        note = self.signer.note(checkpoint, timestamp=timestamp)
        self.write("checkpoint", note)
        self.write("verifier-keys", self.signer.vkeys.encode())
        if history:
            self._add_to_history(checkpoint, note)
        return checkpoint

    def _add_to_history(self, checkpoint: Checkpoint, note: bytes) -> None:
        root = base64.b64encode(checkpoint.root).decode()
        time = "2026-11-21T12:00:00Z"
        self._checkpoints.insert(0, {"size": checkpoint.size, "root": root, "time": time})
        self.write(f"history/{checkpoint.size}", note)
        self.write("history.json", json.dumps({"v": 1, "origin": ORIGIN, "checkpoints": self._checkpoints}).encode())

    def alter(self, tile: Tile, at: int) -> None:
        """Flips one bit of a published file."""
        content = bytearray((self.folder / tile.path).read_bytes())
        content[at] ^= 1
        (self.folder / tile.path).write_bytes(content)

    def write(self, path: str, content: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content)


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The hashes of each tile level, from the leaves up."""
    levels = [leaves]
    for node in CompactRange().extend(leaves):
        if node.level // 8 == len(levels):
            levels.append([])
        levels[node.level // 8].append(node.hash)
    return levels
