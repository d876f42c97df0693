"""Entries and proofs out of a log's public files alone: where an entry is, and the proof that it is there.

What is found is verified before it is handed out, so a log that serves altered tiles gives an error and no proof.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hallmark_tlog.acceptance import Accept
from hallmark_tlog.canonical import HASH_SIZE, encode_base64
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.consistency import Prefix, prefix_of
from hallmark_tlog.errors import InclusionError, TamperedError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.proof import TlogProof, VerifiedEntry, verify_entry
from hallmark_tlog.prove import inclusion_proof
from hallmark_tlog.reader import TileReader, read_bundle, read_tile
from hallmark_tlog.tiles import CHECKPOINT_PATH, TILE_WIDTH, tile_at
from hallmark_tlog.verify import VerifiedCheckpoint

Searched = Callable[[int, int], None]
"""`searched(done, size)`: entries looked at so far, and how many there are."""


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """A proof that was built from public files, and what it was verified to show."""

    proof: TlogProof
    verified: VerifiedEntry


class PublicLog:
    """A log at its newest checkpoint, or at `note`. Raises what `fetch` and `accept` raise. Not thread-safe."""

    def __init__(self, fetch: Fetch, accept: Accept, note: bytes | None = None) -> None:
        self._fetch = fetch
        self.note = fetch(CHECKPOINT_PATH) if note is None else note
        self.opened: VerifiedCheckpoint = accept(self.note)
        self._tiles = TileReader(fetch, self.checkpoint.size)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.opened.checkpoint

    def prove(self, index: int) -> ProvedEntry:
        """The entry at `index` with its proof. Raises InclusionError, TamperedError, FetchError."""
        size = self.checkpoint.size
        if not 0 <= index < size:
            raise InclusionError(f"the log has {size} entries: there is none with index {index}")
        entry = read_bundle(self._fetch, index // TILE_WIDTH, size)[index % TILE_WIDTH]
        proof = TlogProof(index, tuple(inclusion_proof(index, size, self._tiles.read_hash)), self.note)
        try:
            return ProvedEntry(proof, verify_entry(proof, entry, self.opened))
        except InclusionError as error:
            bundle = tile_at(None, index // TILE_WIDTH, size).path
            raise TamperedError(bundle, f"entry {index} is not in the signed tree: it or a tile was altered") from error

    def prefix(self, size: int) -> Prefix:
        """The tree of the first `size` entries, proved to be the beginning. Raises ConsistencyError, TamperedError."""
        return prefix_of(self.checkpoint, size, self._tiles.read_hash)

    def between(self, old_size: int, new_size: int) -> tuple[Prefix, bytes]:
        """The tree of `old_size` as the beginning of that of `new_size`, and the latter's root; both are proved to be
        beginnings of the signed tree. Raises as `prefix`.
        """
        newer = self.prefix(new_size)
        origin = self.checkpoint.origin
        return prefix_of(Checkpoint(origin, new_size, newer.root), old_size, self._tiles.read_hash), newer.root

    def index_of_leaf(self, leaf: bytes, searched: Searched | None = None) -> int | None:
        """The first entry with this leaf hash. Reads 32 bytes for each entry."""
        for index in self._tile_indices(searched):
            data = read_tile(self._fetch, tile_at(0, index, self.checkpoint.size))
            at = data.find(leaf)
            while at % HASH_SIZE and at >= 0:  # by chance across two hashes
                at = data.find(leaf, at + 1)
            if at >= 0:
                return index * TILE_WIDTH + at // HASH_SIZE
        return None

    def index_where(self, wanted: Callable[[bytes], bool], searched: Searched | None = None) -> int | None:
        """The first entry for which `wanted(entry)` holds. Reads every entry up to it."""
        for index in self._tile_indices(searched):
            for at, entry in enumerate(read_bundle(self._fetch, index, self.checkpoint.size)):
                if wanted(entry):
                    return index * TILE_WIDTH + at
        return None

    def _tile_indices(self, searched: Searched | None) -> Iterator[int]:
        size = self.checkpoint.size
        for index in range(-(-size // TILE_WIDTH)):
            yield index
            if searched is not None:
                searched(min((index + 1) * TILE_WIDTH, size), size)


def format_consistency_proof(prefix: Prefix, note: bytes) -> bytes:
    """The proof with the checkpoint it leads to, as a witness takes it (C2SP tlog-witness, add-checkpoint)."""
    lines = [f"old {prefix.size}", *map(encode_base64, prefix.proof), ""]
    return "".join(f"{line}\n" for line in lines).encode() + note
