"""Signature lines of witnesses behind a checkpoint: one line a key, the newest."""

from collections.abc import Iterable

from sqlalchemy.engine import Connection

from hallmark_tlog.note import SignatureLine, parse_signature_line
from kms.log import store
from kms.log.model import CheckpointRecord, TreeHead

_TIMESTAMP_SIZE = 8


def public_note(record: CheckpointRecord) -> bytes:
    """The signed note with everybody's lines: what is published, and what proofs carry."""
    assert record.note is not None, "sign first"
    return record.note + record.cosignatures


def add_cosignatures(tx: Connection, head: TreeHead, lines: Iterable[SignatureLine]) -> None:
    """Stores verified lines of types 0x04 and 0x06 with their checkpoint. Raises LogForked when it has no row."""
    store.store_cosignatures(tx, head, merge_lines(store.read_cosignatures(tx, head), lines))


def merge_lines(known: bytes, new: Iterable[SignatureLine]) -> bytes:
    """Of two lines of one key the one with the later time stays: the time says how fresh the witness's view is."""
    merged: dict[tuple[str, bytes], SignatureLine] = {}
    for line in (*map(parse_signature_line, known.decode().split("\n")[:-1]), *new):
        before = merged.get((line.name, line.key_id))
        if before is None or _time(before) <= _time(line):
            merged[line.name, line.key_id] = line
    return "".join(f"{line}\n" for line in merged.values()).encode()


def _time(line: SignatureLine) -> int:
    # tlog-cosignature: in both types the blob begins with the time, 8 bytes, big-endian POSIX seconds.
    return int.from_bytes(line.blob[:_TIMESTAMP_SIZE], "big")
