"""An auditor with nothing but a log's public files: is every published byte what the log signed?

Steps, for a checkpoint of size n:
1. Fetch the checkpoint, verify its signatures and its origin.
2. Compare it with the checkpoint seen before, if any: never smaller, never another root for the same size.
3. For every entry bundle: hash the entries, compare with the level-0 tile, grow the tree; compare each hash the tree
   completes with the tile above it.
4. For every entry: build its inclusion proof from the published tiles and verify it against the signed root.
5. The rebuilt root is the signed root.
6. Build the consistency proof from the earlier checkpoint and verify it.
Reads each file once or a few times; memory does not grow with the log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import (
    ConsistencyError,
    ForkError,
    InclusionError,
    OriginMismatch,
    RollbackError,
    TamperedError,
)
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from hallmark_tlog.prove import consistency_proof, inclusion_proofs
from hallmark_tlog.reader import TileReader, read_bundle
from hallmark_tlog.tiles import CHECKPOINT_PATH, TILE_HEIGHT, TILE_WIDTH, tile_at
from hallmark_tlog.verify import Require, Signer, open_checkpoint
from hallmark_tlog.vkey import VerifierKey

Progress = Callable[[int, int], None]
"""`progress(done, size)`: entries verified so far, and how many there are."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What held. A report exists only if everything did.

    `consistent_from` is the size of the earlier checkpoint that this one was proved to extend, None if none was given.
    """

    checkpoint: Checkpoint
    signers: tuple[Signer, ...]
    entries_verified: int
    inclusions_verified: int
    tile_hashes_verified: int
    consistent_from: int | None


def audit(
    fetch: Fetch,
    vkeys: Sequence[VerifierKey],
    *,
    origin: str,
    previous: Checkpoint | None = None,
    require: Require = Require.LOG,
    progress: Progress | None = None,
) -> AuditReport:
    """Verify a whole log against its newest checkpoint and, if given, the one verified before.

    Raises FetchError (MissingResource for a file the log must have), SignatureError, OriginMismatch, FormatError for a
    malformed checkpoint, RollbackError, ForkError, TamperedError.
    """
    opened = open_checkpoint(fetch(CHECKPOINT_PATH), vkeys, origin=origin, require=require)
    checkpoint = opened.checkpoint
    if previous is not None:
        _check_not_behind(previous, checkpoint)
    rebuild = _Rebuild(fetch, checkpoint)
    for index in range(-(-checkpoint.size // TILE_WIDTH)):
        rebuild.add_bundle(index)
        if progress is not None:
            progress(rebuild.tree.size, checkpoint.size)
    rebuild.finish()
    if previous is not None:
        _check_extends(previous, checkpoint, rebuild.tiles)
    return AuditReport(
        checkpoint=checkpoint,
        signers=opened.signers,
        entries_verified=rebuild.tree.size,
        inclusions_verified=rebuild.inclusions,
        tile_hashes_verified=rebuild.tile_hashes,
        consistent_from=None if previous is None else previous.size,
    )


class _Rebuild:
    """The tree that the entries make, held against the published tiles and the signed root."""

    def __init__(self, fetch: Fetch, checkpoint: Checkpoint) -> None:
        self._fetch = fetch
        self._signed = checkpoint
        self._inclusion_failure: InclusionError | None = None
        self.tiles = TileReader(fetch, checkpoint.size)
        self.tree = CompactRange()
        self.inclusions = 0
        self.tile_hashes = 0

    def add_bundle(self, index: int) -> None:
        size = self._signed.size
        leaves = [leaf_hash(entry) for entry in read_bundle(self._fetch, index, size)]
        for at, (computed, published) in enumerate(zip(leaves, self.tiles.hashes(0, index), strict=True)):
            if computed != published:
                bundle, tile = tile_at(None, index, size).path, tile_at(0, index, size).path
                raise TamperedError(
                    bundle, f"entry {index * TILE_WIDTH + at} does not hash to its leaf in {tile}: one was altered"
                )
        self.tile_hashes += len(leaves)
        for subtree in self.tree.extend(leaves):
            level, position = subtree.level // TILE_HEIGHT, subtree.index
            if self.tiles.read_hash(subtree.level, position) != subtree.hash:
                raise TamperedError(
                    tile_at(level, position // TILE_WIDTH, size).path,
                    f"hash {position % TILE_WIDTH} is not that of tile {position}, level {level - 1}: one was altered",
                )
            self.tile_hashes += 1
        self._prove(index * TILE_WIDTH, leaves)

    def _prove(self, start: int, leaves: Sequence[bytes]) -> None:
        # A tile further right that was not compared yet can break a proof here. Its own comparison says more about
        # what is wrong, so a failed proof waits until the tree is whole.
        if self._inclusion_failure is not None:
            return
        size, root = self._signed.size, self._signed.root
        try:
            proofs = inclusion_proofs(start, start + len(leaves), size, self.tiles.read_hash)
            for index, (leaf, proof) in enumerate(zip(leaves, proofs, strict=True), start):
                verify_inclusion(index, size, leaf, proof, root)
                self.inclusions += 1
        except InclusionError as error:
            self._inclusion_failure = error

    def finish(self) -> None:
        if self.tree.root() != self._signed.root:
            raise TamperedError(
                CHECKPOINT_PATH,
                f"the published entries and tiles make the root {self.tree.root().hex()} at size {self.tree.size}, "
                f"the log signed {self._signed.root.hex()}",
            )
        if self._inclusion_failure is not None:
            raise TamperedError("tile", f"tiles changed during the audit: {self._inclusion_failure}")


def _check_not_behind(previous: Checkpoint, current: Checkpoint) -> None:
    if previous.origin != current.origin:
        raise OriginMismatch(f"the earlier checkpoint is of {previous.origin!r}, this one of {current.origin!r}")
    if current.size < previous.size:
        raise RollbackError(f"the log shows size {current.size}, it has shown size {previous.size} before")
    if current.size == previous.size and current.root != previous.root:
        raise ForkError(
            f"two signed roots for size {current.size}: {previous.root.hex()} before, {current.root.hex()} now"
        )


def _check_extends(previous: Checkpoint, current: Checkpoint, tiles: TileReader) -> None:
    proof = consistency_proof(previous.size, current.size, tiles.read_hash)
    try:
        verify_consistency(previous.size, previous.root, current.size, current.root, proof)
    except ConsistencyError as error:
        # The tiles were just found to be the tree of the current root, so it is the earlier root that is not in it.
        raise ForkError(
            f"the log of size {current.size} does not begin with the tree of size {previous.size} it signed before"
        ) from error
