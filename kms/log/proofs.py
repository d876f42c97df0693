"""Proofs from tile rows. Pure reading: each function runs in a transaction of the caller."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.engine import Connection

from hallmark_tlog.proof import TlogProof, proof_head
from hallmark_tlog.prove import consistency_proof as _consistency_proof
from hallmark_tlog.prove import inclusion_proof as _inclusion_proof
from hallmark_tlog.prove import inclusion_proofs as _inclusion_proofs
from kms.core.errors import InvalidArgument, OutOfRange, Reason
from kms.log import store, tiles
from kms.log.keys import archive
from kms.log.model import ConsistencyProof, InclusionProof, PublishedCheckpoint, Receipt, entry_not_found


def inclusion_proof(tx: Connection, published: PublishedCheckpoint, entry: int | str, tree_size: int) -> InclusionProof:
    """`entry` is an index or an event key; `tree_size` 0 means the published checkpoint.

    Raises NotFound/LOG_ENTRY_NOT_FOUND, OutOfRange/TREE_SIZE_UNKNOWN, InvalidArgument/FIELD_INVALID.
    """
    size = _known_size(published, tree_size, "tree_size") or published.head.size
    what = f"entry {entry}"
    index = store.find_index(tx, entry) if isinstance(entry, str) else entry
    if index is None and isinstance(entry, str) and (closed := archive.find_proof(tx, entry)) is not None:
        return closed
    if index is None or not 0 <= index < size:
        raise entry_not_found(what)
    found = store.read_entries(tx, index, index + 1)
    if not found:
        raise entry_not_found(what)
    hashes = tuple(_inclusion_proof(index, size, tiles.reader(tx, size).read_hash))
    is_published = size == published.head.size
    tlog_proof = bytes(TlogProof(index, hashes, published.note)) if is_published else None
    return InclusionProof(entry=found[0], tree_size=size, hashes=hashes, tlog_proof=tlog_proof)


def consistency_proof(tx: Connection, published: PublishedCheckpoint, old_size: int, new_size: int) -> ConsistencyProof:
    """`new_size` 0 means the published checkpoint; from size 0 the proof is empty.

    Raises OutOfRange/TREE_SIZE_UNKNOWN, InvalidArgument/FIELD_INVALID.
    """
    old = _known_size(published, old_size, "old_size")
    new = _known_size(published, new_size, "new_size") or published.head.size
    if old > new:
        raise InvalidArgument(Reason.FIELD_INVALID, "old_size must not be larger than new_size", field="old_size")
    return ConsistencyProof(old, new, tuple(_consistency_proof(old, new, tiles.reader(tx, new).read_hash)))


def receipts(tx: Connection, size: int, places: Mapping[str, int | None]) -> dict[str, Receipt]:
    """By event key, for those that a tree of `size` covers; their checkpoint is still to come.

    `places`: the indices where they are known; None is looked up.
    """
    known = {key: index for key, index in places.items() if index is not None}
    known |= store.find_indices(tx, [key for key, index in places.items() if index is None])
    keys = {index: key for key, index in known.items() if index < size}
    read_hash = tiles.reader(tx, size).read_hash
    found: dict[str, Receipt] = {}
    for first, last in _runs(sorted(keys)):
        paths = _inclusion_proofs(first, last, size, read_hash)
        for index, path in enumerate(paths, first):
            found[keys[index]] = Receipt(index, proof_head(index, path))
    return found


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours share most of their paths: [first, last) of each gapless run."""
    first = last = -1
    for index in indices:
        if index != last:
            if last > first:
                yield first, last
            first = index
        last = index + 1
    if last > first:
        yield first, last


def _known_size(published: PublishedCheckpoint, size: int, field: str) -> int:
    if size < 0:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must not be negative", field=field)
    if size > published.head.size:
        raise OutOfRange(
            Reason.TREE_SIZE_UNKNOWN,
            f"no checkpoint of size {size} is published yet; the newest has size {published.head.size}",
            field=field,
        )
    return size
