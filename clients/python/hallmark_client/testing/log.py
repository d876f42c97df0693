"""The fake's transparency log: a real Merkle tree and real signed checkpoints, in memory."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark.v1 import common_pb2, log_pb2
from hallmark_client.errors import HallmarkError
from hallmark_client.testing.refusals import refusal
from hallmark_tlog import merkle, prove
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.note import Note
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.vkey import KeyType, VerifierKey


class FakeLog:
    """Appends at once, publishes when somebody asks for it. Asserts after each checkpoint that the log only grew."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._ed25519 = Ed25519PrivateKey.generate()
        self._ml_dsa = MLDSA44PrivateKey.generate()
        self._ed25519_key = VerifierKey(origin, KeyType.ED25519, self._ed25519.public_key().public_bytes_raw())
        self._ml_dsa_key = VerifierKey(origin, KeyType.ML_DSA_44, self._ml_dsa.public_key().public_bytes_raw())
        self._entries: list[bytes] = []
        self._hashes: list[bytes] = []
        self._index: dict[str, int] = {}
        self._published = Checkpoint(origin=origin, size=0, root=merkle.EMPTY_ROOT)
        self._note = b""

    @property
    def verifier_keys(self) -> tuple[str, str]:
        """C2SP vkey lines, Ed25519 first."""
        return str(self._ed25519_key), str(self._ml_dsa_key)

    @property
    def size(self) -> int:
        """Entries, published or not."""
        return len(self._entries)

    def record(self, event_key: str, kind: str, subject: str, now: datetime, details: Mapping[str, Any]) -> None:
        """One entry for one act, as canonical JSON in the form the service uses."""
        assert event_key not in self._index, "an act was logged twice"
        entry = {"v": 1, "id": event_key, "type": kind, "tenant": subject.split("/")[1], "subject": subject}
        entry |= {"time": now.isoformat().replace("+00:00", "Z"), "details": dict(details)}
        data = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        self._index[event_key] = len(self._entries)
        self._entries.append(data)
        self._hashes.append(merkle.leaf_hash(data))

    def promise(self, event_key: str, now: datetime, *, published: bool) -> common_pb2.LogPromise:
        """The promise for an entry; with its proof when `published`."""
        index = self._index[event_key]
        promise = common_pb2.LogPromise(leaf_hash=self._hashes[index], event_key=event_key, entry=self._entries[index])
        if published:
            self.publish(now)
            promise.leaf_index = index
            promise.tlog_proof = self._tlog_proof(index)
        return promise

    def publish(self, now: datetime) -> None:
        """Sign a checkpoint over everything recorded so far."""
        if self._note and self._published.size == self.size:
            return
        previous = self._published
        root = prove.root_at(self.size, self._read_hash)
        checkpoint = Checkpoint(origin=self.origin, size=self.size, root=root)
        path = prove.consistency_proof(previous.size, checkpoint.size, self._read_hash)
        merkle.verify_consistency(previous.size, previous.root, checkpoint.size, checkpoint.root, path)
        seconds = int(now.timestamp())
        ed25519 = self._ed25519.sign(message_to_sign(self._ed25519_key, checkpoint, timestamp=None))
        ml_dsa = self._ml_dsa.sign(message_to_sign(self._ml_dsa_key, checkpoint, timestamp=seconds))
        lines = (
            signature_line(self._ed25519_key, ed25519, timestamp=None),
            signature_line(self._ml_dsa_key, ml_dsa, timestamp=seconds),
        )
        self._published, self._note = checkpoint, bytes(Note(text=str(checkpoint), signatures=lines))

    def get_checkpoint(self, now: datetime) -> log_pb2.Checkpoint:
        self.publish(now)
        point = self._published
        return log_pb2.Checkpoint(note=self._note, origin=point.origin, size=point.size, root_hash=point.root)

    def get_inclusion_proof(self, request: log_pb2.GetInclusionProofRequest, now: datetime) -> log_pb2.InclusionProof:
        self.publish(now)
        size = self._known_size(request.tree_size)
        index = self._find(request)
        if not 0 <= index < size:
            raise refusal(grpc.StatusCode.NOT_FOUND, "LOG_ENTRY_NOT_FOUND", "the log has no such entry at that size")
        return log_pb2.InclusionProof(
            leaf_index=index,
            tree_size=size,
            hashes=prove.inclusion_proof(index, size, self._read_hash),
            leaf_hash=self._hashes[index],
            entry=self._entries[index],
            tlog_proof=self._tlog_proof(index) if size == self._published.size else b"",
        )

    def get_consistency_proof(
        self, request: log_pb2.GetConsistencyProofRequest, now: datetime
    ) -> log_pb2.ConsistencyProof:
        self.publish(now)
        new_size = self._known_size(request.new_size)
        if not 0 <= request.old_size <= new_size:
            raise _unknown_size()
        hashes = prove.consistency_proof(request.old_size, new_size, self._read_hash)
        return log_pb2.ConsistencyProof(old_size=request.old_size, new_size=new_size, hashes=hashes)

    def _find(self, request: log_pb2.GetInclusionProofRequest) -> int:
        if request.WhichOneof("entry") == "event_key":
            return self._index.get(request.event_key, -1)
        return request.leaf_index

    def _known_size(self, asked: int) -> int:
        if not 0 <= asked <= self._published.size:
            raise _unknown_size()
        return asked or self._published.size

    def _tlog_proof(self, index: int) -> bytes:
        path = prove.inclusion_proof(index, self._published.size, self._read_hash)
        return bytes(TlogProof(index=index, path=tuple(path), checkpoint=self._note))

    def _read_hash(self, level: int, index: int) -> bytes:
        return merkle.root_from_leaves(self._hashes[index << level : (index + 1) << level])


def _unknown_size() -> HallmarkError:
    return refusal(grpc.StatusCode.OUT_OF_RANGE, "TREE_SIZE_UNKNOWN", "no checkpoint of that size was published")
