"""The fake's transparency log: a real Merkle tree and real signed checkpoints, in memory."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

import grpc

from hallmark.v1 import common_pb2, log_pb2
from hallmark_client.errors import HallmarkError
from hallmark_client.testing.log_signers import FakeLogSigners
from hallmark_client.testing.refusals import refusal
from hallmark_tlog import merkle, prove
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.entry import commitment_text
from hallmark_tlog.proof import TlogProof

EntryRequest: TypeAlias = log_pb2.GetEntryRequest | log_pb2.GetCoseReceiptRequest
"""Names an entry by index or event key."""


class FakeLog:
    """Appends at once, publishes when somebody asks for it. Asserts after each checkpoint that the log only grew."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.signers = FakeLogSigners(origin)
        self._entries: list[bytes] = []
        self._hashes: list[bytes] = []
        self._index: dict[str, int] = {}
        self.salts: dict[str, dict[str, bytes]] = {}
        """What opens the commitments of an entry, by its event key and the name of the fact, until it is erased."""
        self.persons: dict[str, str] = {}
        """Under which handle an entry's salts are erased, by its event key."""
        self._published = Checkpoint(origin=origin, size=0, root=merkle.EMPTY_ROOT)
        self._note = b""

    @property
    def verifier_keys(self) -> tuple[str, ...]:
        """C2SP vkey lines of every key, Ed25519 first."""
        return tuple(str(key.verifier) for key in self.signers.keys)

    @property
    def size(self) -> int:
        """Entries, published or not."""
        return len(self._entries)

    def record(
        self,
        event_key: str,
        kind: str,
        subject: str,
        now: datetime,
        details: Mapping[str, Any],
        commitments: Mapping[str, bytes] | None = None,
        *,
        tenant: str | None = None,
    ) -> None:
        """One entry for one act, as canonical JSON in the form the service uses. tenant: default: the subject's."""
        assert event_key not in self._index, "an act was logged twice"
        entry: dict[str, Any] = {
            "v": 1,
            "id": event_key,
            "type": kind,
            "tenant": tenant or (subject.split("/")[1] if "/" in subject else "system"),
            "subject": subject,
        }
        time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        entry |= {"time": time, "details": dict(details)}
        if commitments:
            entry |= {"commitments": {name: commitment_text(value) for name, value in commitments.items()}}
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
        root = prove.root_at(self.size, self.read_hash)
        checkpoint = Checkpoint(origin=self.origin, size=self.size, root=root)
        path = prove.consistency_proof(previous.size, checkpoint.size, self.read_hash)
        merkle.verify_consistency(previous.size, previous.root, checkpoint.size, checkpoint.root, path)
        self._published, self._note = checkpoint, self.signers.sign(checkpoint, now)

    def get_checkpoint(self, now: datetime) -> log_pb2.Checkpoint:
        self.publish(now)
        point = self._published
        return log_pb2.Checkpoint(note=self._note, origin=point.origin, size=point.size, root_hash=point.root)

    def get_inclusion_proof(self, request: log_pb2.GetInclusionProofRequest, now: datetime) -> log_pb2.InclusionProof:
        self.publish(now)
        size = self._known_size(request.tree_size)
        index = self._find(request)
        if not 0 <= index < size:
            raise entry_missing()
        return log_pb2.InclusionProof(
            leaf_index=index,
            tree_size=size,
            hashes=prove.inclusion_proof(index, size, self.read_hash),
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
        hashes = prove.consistency_proof(request.old_size, new_size, self.read_hash)
        return log_pb2.ConsistencyProof(old_size=request.old_size, new_size=new_size, hashes=hashes)

    def entry(self, index: int) -> bytes:
        return self._entries[index]

    def leaf_hash(self, index: int) -> bytes:
        return self._hashes[index]

    def has(self, event_key: str) -> bool:
        return event_key in self._index

    def index_of(self, event_key: str) -> int:
        """Published or not. Raises NotFound (LOG_ENTRY_NOT_FOUND)."""
        if event_key not in self._index:
            raise entry_missing()
        return self._index[event_key]

    def _find(self, request: log_pb2.GetInclusionProofRequest) -> int:
        if request.WhichOneof("entry") == "event_key":
            return self._index.get(request.event_key, -1)
        return request.leaf_index

    def _known_size(self, asked: int) -> int:
        if not 0 <= asked <= self._published.size:
            raise _unknown_size()
        return asked or self._published.size

    def _tlog_proof(self, index: int) -> bytes:
        path = prove.inclusion_proof(index, self._published.size, self.read_hash)
        return bytes(TlogProof(index=index, path=tuple(path), checkpoint=self._note))

    def read_hash(self, level: int, index: int) -> bytes:
        """Of the subtree of 2^level leaves, for proofs."""
        return merkle.root_from_leaves(self._hashes[index << level : (index + 1) << level])


def entry_missing() -> HallmarkError:
    return refusal(grpc.StatusCode.NOT_FOUND, "LOG_ENTRY_NOT_FOUND", "the log has no such entry at that size")


def _unknown_size() -> HallmarkError:
    return refusal(grpc.StatusCode.OUT_OF_RANGE, "TREE_SIZE_UNKNOWN", "no checkpoint of that size was published")
