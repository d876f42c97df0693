"""The transparency log: promises, checkpoints, proofs. Checks run here, through hallmark_tlog, without the service."""

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeAlias

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.result import Result
from hallmark_tlog import merkle
from hallmark_tlog.errors import TlogError
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import VerifierKey, parse_vkey

VerifierKeys: TypeAlias = Sequence[str | VerifierKey]
"""Verifier keys the caller trusts: C2SP vkey lines or parsed ones. The log's own bear its origin as name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged(Result):
    """Proved: the entry is in the log. tree_size, root_hash (32 bytes): of the checkpoint that covers it."""

    origin: str
    leaf_index: int
    leaf_hash: bytes
    tree_size: int
    root_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPromise(Result):
    """Where an act stands in the log. Act and entry were committed in one transaction.

    leaf_hash: SHA-256(0x00 || entry), 32 bytes (RFC 6962). event_key: unique key of the entry; `log.inclusion_proof`
    takes it. leaf_index, tlog_proof (c2sp.org/tlog-proof@v1): set when the call waited for "published".
    entry: the bytes in the log.
    """

    leaf_hash: bytes
    event_key: str
    leaf_index: int | None
    tlog_proof: bytes
    entry: bytes

    def verify(self, verifier_keys: VerifierKeys, origin: str) -> Logged:
        """Check the proof: entry, path, and the checkpoint's signature by a key of the log named `origin`.

        Raises VerificationFailed: PROOF_MISSING (the call did not wait for "published") or PROOF_INVALID.
        """
        if not self.tlog_proof:
            sentence = 'there is no proof yet: call with wait="published", or ask log.inclusion_proof(event_key=...)'
            raise VerificationFailed("PROOF_MISSING", sentence)
        check_leaf(self.entry, self.leaf_hash)
        with tlog_errors("PROOF_INVALID"):
            proved = verify_proof(self.tlog_proof, self.entry, _parsed(verifier_keys), origin=origin)
        checkpoint = proved.checkpoint.checkpoint
        return Logged(
            origin=checkpoint.origin,
            leaf_index=proved.index,
            leaf_hash=self.leaf_hash,
            tree_size=checkpoint.size,
            root_hash=checkpoint.root,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Result):
    """A published checkpoint, as told. note: C2SP signed note; the other fields repeat it. root_hash: 32 bytes."""

    note: bytes
    origin: str
    size: int
    root_hash: bytes

    def verify(self, verifier_keys: VerifierKeys, origin: str) -> Self:
        """Check the note's signatures, and that the fields repeat it; returns itself. Raises VerificationFailed."""
        with tlog_errors("CHECKPOINT_INVALID"):
            signed = open_checkpoint(self.note, _parsed(verifier_keys), origin=origin).checkpoint
        if (signed.origin, signed.size, signed.root) != (self.origin, self.size, self.root_hash):
            raise VerificationFailed("CHECKPOINT_INVALID", "the signed note says something else than the answer did")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof(Result):
    """hashes: 32 bytes each, from the leaf's sibling up (RFC 9162, 2.1.3). tlog_proof: empty for an older tree."""

    leaf_index: int
    tree_size: int
    hashes: tuple[bytes, ...]
    leaf_hash: bytes
    entry: bytes
    tlog_proof: bytes

    def verify(self, checkpoint: Checkpoint) -> Logged:
        """Check the path against a checkpoint of the same size, which the caller has verified already.

        Raises VerificationFailed.
        """
        check_leaf(self.entry, self.leaf_hash)
        _check_size(self.tree_size, checkpoint)
        with tlog_errors("PROOF_INVALID"):
            merkle.verify_inclusion(self.leaf_index, self.tree_size, self.leaf_hash, self.hashes, checkpoint.root_hash)
        return Logged(
            origin=checkpoint.origin,
            leaf_index=self.leaf_index,
            leaf_hash=self.leaf_hash,
            tree_size=self.tree_size,
            root_hash=checkpoint.root_hash,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistent(Result):
    """Proved: the log of old_size is a prefix of that of new_size."""

    old_size: int
    new_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof(Result):
    """hashes: 32 bytes each (RFC 9162, 2.1.4)."""

    old_size: int
    new_size: int
    hashes: tuple[bytes, ...]

    def verify(self, old: Checkpoint, new: Checkpoint) -> Consistent:
        """Check it against two checkpoints of these sizes, verified already. Raises VerificationFailed."""
        _check_size(self.old_size, old)
        _check_size(self.new_size, new)
        with tlog_errors("PROOF_INVALID"):
            merkle.verify_consistency(self.old_size, old.root_hash, self.new_size, new.root_hash, self.hashes)
        return Consistent(old_size=self.old_size, new_size=self.new_size)


def _parsed(keys: VerifierKeys) -> list[VerifierKey]:
    return [parse_vkey(key) if isinstance(key, str) else key for key in keys]


def check_leaf(entry: bytes, leaf_hash: bytes) -> None:
    """Raises VerificationFailed."""
    if not hmac.compare_digest(merkle.leaf_hash(entry), leaf_hash):
        raise VerificationFailed("PROOF_INVALID", "the leaf hash is not the hash of the entry")


def _check_size(size: int, checkpoint: Checkpoint) -> None:
    if size != checkpoint.size:
        sentence = f"the proof is for a tree of size {size}, the checkpoint is of size {checkpoint.size}"
        raise VerificationFailed("PROOF_INVALID", sentence)


@contextmanager
def tlog_errors(reason: str) -> Iterator[None]:
    """Errors of hallmark_tlog as VerificationFailed with this reason."""
    try:
        yield
    except TlogError as error:
        raise VerificationFailed(reason, str(error)) from error
