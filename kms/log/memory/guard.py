"""Before the log may sign: do its own rows agree, and do they agree with what was published?

The one way to fork a log like this is to restore an old backup of its database: it would give the same indices to other
entries and sign them. The published checkpoint lies outside the database and remembers.
"""

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.cosignature import stated_time
from hallmark_tlog.errors import ConsistencyError, TlogError
from hallmark_tlog.merkle import leaf_hash, verify_consistency
from hallmark_tlog.note import parse_note
from hallmark_tlog.prove import consistency_proof, root_at
from hallmark_tlog.tiles import TILE_WIDTH
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import VerifierKey
from kms.log import store, tiles
from kms.log.errors import LogDamaged, LogForked, LogRolledBack
from kms.log.keys import archive
from kms.log.model import PublishedCheckpoint, TreeHead
from kms.log.rounds import sequencing


def read_published(note: bytes | None, origin: str) -> PublishedCheckpoint | None:
    """The checkpoint found outside the database, its signatures not looked at yet. Raises LogForked."""
    if note is None:
        return None
    try:
        checkpoint = parse_checkpoint(parse_note(note).text)
    except TlogError as error:
        raise LogForked(f"the published checkpoint cannot be read ({error}); put the true one back") from error
    if checkpoint.origin != origin:
        raise LogForked(f"the public folder holds the log {checkpoint.origin!r}, not {origin!r}")
    return PublishedCheckpoint(TreeHead(checkpoint.size, checkpoint.root), note)


def own_time(note: bytes) -> int:
    """The newest POSIX second that a line named like the log states; 0 for none. Unverified: to compare our own notes.

    Raises TlogError.
    """
    parsed = parse_note(note)
    origin = parse_checkpoint(parsed.text).origin
    times = [stated_time(line) for line in parsed.signatures if line.name == origin]
    return max((time for time in times if time is not None), default=0)


def check_signed_by_us(published: PublishedCheckpoint, keys: Sequence[VerifierKey]) -> None:
    """Raises LogForked when another set of keys signed what is published: then this is another database."""
    try:
        open_checkpoint(published.note, keys, require=Require.LOG)
    except TlogError as error:
        raise LogForked(f"the published checkpoint was not signed by the keys in this database: {error}") from error


def check_seen(tx: Connection, origin: str, head: TreeHead, where: str) -> None:
    """A checkpoint that was released once is in this database: in its log, or in one of the logs before that.

    `where` it was seen, for people. Raises LogRolledBack, LogForked.
    """
    live = store.find_origin(tx)
    if origin == live:
        check_remembered(tx, PublishedCheckpoint(head, b""), where)
        return
    final = archive.find_final(tx, origin)
    if final is None:
        raise LogForked(
            f"{where} remembers the log {origin!r} at size {head.size}; this database holds the log {live!r}, which "
            "does not follow it. Use the database that belongs to it, or its newest backup. To begin anew on purpose, "
            "move the old memory away"
        )
    if head.size > final.size or (head.size == final.size and head.root != final.root):
        raise LogForked(
            f"{where} remembers the log {origin!r} at size {head.size} with the root {head.root.hex()}; this database "
            f"closed it at size {final.size} with the root {final.root.hex()}"
        )


def check_remembered(tx: Connection, seen: PublishedCheckpoint, where: str) -> None:
    """The tree in the tiles begins with a tree that was released once, of this same origin. The note is not looked at.

    For whatever remembers a checkpoint outside the database: a file, the token, a bucket, a witness. `where` names it.
    Raises LogRolledBack, LogForked.
    """
    head = store.read_head(tx)
    if seen.head.size > head.size:
        raise LogRolledBack(seen.head.size, head.size, where=where)
    try:
        root = root_at(seen.head.size, tiles.reader(tx, head.size).read_hash)
    except TlogError as error:
        raise LogDamaged(f"the tiles of size {head.size} cannot be read: {error}") from error
    if root != seen.head.root:
        raise LogForked(
            f"{where} shows the root {seen.head.root.hex()} for size {seen.head.size}, the database has {root.hex()}: "
            "an old backup was restored and went on, or this is another database. Restore the one that has the first "
            "root, or let a new log follow: hallmark log succeed --after-rollback --new-origin NAME"
        )


def check_extends(tx: Connection, published: PublishedCheckpoint | None, head: TreeHead) -> None:
    """The tree in the tiles, of size `head.size`, has the root of `head` and begins with the published tree.

    Asked before every signature. Raises LogRolledBack, LogForked, LogDamaged.
    """
    before = published.head if published is not None else None
    if before is not None and before.size > head.size:
        raise LogRolledBack(before.size, head.size)
    read_hash = tiles.reader(tx, head.size).read_hash
    try:
        root = root_at(head.size, read_hash)
        proof = consistency_proof(before.size, head.size, read_hash) if before is not None else []
    except TlogError as error:
        raise LogDamaged(f"the tiles of size {head.size} cannot be read: {error}") from error
    if root != head.root:
        raise LogDamaged(f"its tiles make another root for size {head.size} than it says")
    if before is not None:
        try:
            verify_consistency(before.size, before.root, head.size, head.root, proof)
        except ConsistencyError as error:
            raise LogForked(f"its tree does not begin with the published one: {error}") from error


def self_check(tx: Connection) -> TreeHead:
    """At start: state, entries, tiles and checkpoints tell the same story. Raises LogDamaged.

    1. The tiles' right edge leads to the root in the state.
    2. There are as many entries as the state says, and the last bundle's hash to the last tile.
    3. The newest checkpoint row is a prefix of this tree.
    The hashes below full tiles are left to `hallmark log fsck`: that takes time in proportion to the log.
    """
    head = store.read_head(tx)
    sequencing.load_tree(tx, head)
    if (count := store.entry_count(tx)) != head.size:
        raise LogDamaged(f"it holds {count} entries, its state says {head.size}")
    _check_last_bundle(tx, head)
    latest = store.latest_checkpoint(tx)
    if latest is not None:
        if latest.head.size > head.size:
            raise LogDamaged(f"a checkpoint of size {latest.head.size} was begun, its state says {head.size}")
        check_extends(tx, None, latest.head)
    return head


def _check_last_bundle(tx: Connection, head: TreeHead) -> None:
    if head.size == 0:
        return
    index = (head.size - 1) // TILE_WIDTH
    entries = store.read_entries(tx, index * TILE_WIDTH, head.size)
    hashes = tiles.reader(tx, head.size).hashes(0, index)
    if [leaf_hash(entry.data) for entry in entries] != hashes or [entry.leaf_hash for entry in entries] != hashes:
        raise LogDamaged(f"the entries from index {index * TILE_WIDTH} do not hash to their tile")
