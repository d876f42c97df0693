"""From the outbox, and from callers who append directly, to a place in the tree: in one transaction or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import TlogError
from hallmark_tlog.merkle import leaf_hash
from kms.core.errors import Aborted, Reason
from kms.log import store, tiles
from kms.log.entries import openings_store
from kms.log.entries.openings_store import OpeningRow
from kms.log.errors import LogDamaged
from kms.log.keys import archive
from kms.log.model import LogPromise, Receipt, TreeHead


@dataclass(frozen=True, slots=True)
class DirectEntry:
    """An entry that belongs to no other act, and so needs no outbox. `openings`: salts of its commitments."""

    promise: LogPromise
    openings: Sequence[OpeningRow] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was in the log before under the same event key: in the live one at `index`, or in one that was closed, with
    its proof there. Neither for the first of two in one round.
    """

    data: bytes
    index: int | None = None
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Sequenced:
    """The head after it, and the keys of the entries that moved: their indices are the last ones before its size."""

    head: TreeHead
    event_keys: Sequence[str] = ()
    earlier: Mapping[str, Earlier] = field(default_factory=dict)
    """Direct entries that were not put in, by event key."""
    from_queue: int = 0

    @property
    def start(self) -> int:
        return self.head.size - len(self.event_keys)


def sequence(tx: Connection, batch_max: int, direct: Sequence[DirectEntry] = ()) -> Sequenced:
    """Moves up to `batch_max` entries from the queue into the tree, and `direct` ones behind them.

    1. Lock the state (PostgreSQL), so that sequencers of other replicas wait here.
    2. Take the oldest entries of the queue, and the direct ones that are not in the log yet.
    3. Load the tree's right edge from the tiles; its root must be the root in the state.
    4. Write entries and tiles, empty the queue.
    5. Compare-and-set the state. Whatever went wrong before it: if the state moved, nothing of this is stored.

    `direct` has each event key once. Raises LogDamaged when tiles and state contradict each other, Aborted when another
    sequencer was faster.
    """
    head = store.read_head(tx, lock=True)
    queued = store.queued(tx, batch_max)
    earlier = _earlier(tx, direct) if direct else {}
    fresh = [one for one in direct if one.promise.event_key not in earlier]
    rows = [(item.event_key, leaf_hash(item.data), item.data) for item in queued]
    rows += [(one.promise.event_key, one.promise.leaf_hash, one.promise.entry) for one in fresh]
    if not rows:
        return Sequenced(head, earlier=earlier)
    tree = load_tree(tx, head)
    leaf_hashes = [leaf for _, leaf, _ in rows]
    completed = tree.extend(leaf_hashes)
    store.insert_entries(tx, head.size, rows)
    if openings := [row for one in fresh for row in one.openings]:
        openings_store.insert_many(tx, openings)
    tiles.append_hashes(tx, head.size, leaf_hashes, completed)
    if queued:
        store.dequeue(tx, queued)
    new = TreeHead(tree.size, tree.root())
    if not store.advance(tx, head, new):
        raise Aborted(Reason.INTERNAL, "another sequencer was faster")
    return Sequenced(new, [key for key, _, _ in rows], earlier, len(queued))


def load_tree(tx: Connection, head: TreeHead) -> CompactRange:
    """The right edge of the tree as its tiles have it. Raises LogDamaged unless it leads to the root of `head`."""
    try:
        tree = CompactRange.load(head.size, tiles.reader(tx, head.size).read_hash)
    except TlogError as error:
        raise LogDamaged(f"the tiles of size {head.size} cannot be read: {error}") from error
    if tree.root() != head.root:
        raise LogDamaged(f"its tiles make another root for size {head.size} than its state says")
    return tree


def _earlier(tx: Connection, direct: Sequence[DirectEntry]) -> dict[str, Earlier]:
    keys = [one.promise.event_key for one in direct]
    found = {key: Earlier(data, index) for key, index, data in store.find_entries(tx, keys)}
    for key in archive.find_keys(tx, keys):
        proof = archive.find_proof(tx, key)
        if proof is not None:
            found[key] = Earlier(proof.entry.data, receipt=Receipt(proof.entry.index, proof.tlog_proof))
    return found
