import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.note import SignatureLine, parse_note
from hallmark_tlog.vkey import KeyType
from kms.log import store
from kms.log.errors import LogForked
from kms.log.model import TreeHead
from kms.log.witnesses.cosigned_notes import add_cosignatures, merge_lines, public_note
from support.log_world import ORIGIN, LogWorld
from support.witnesses import cosigning_key

ED25519, ML_DSA = cosigning_key("w/1", KeyType.ED25519_COSIGNATURE), cosigning_key("w/1", KeyType.ML_DSA_44)
HERE = Checkpoint(ORIGIN, 3, b"r" * 32)


def line(key, at: int) -> SignatureLine:
    return signature_line(key.vkey, key.sign(message_to_sign(key.vkey, HERE, timestamp=at)), timestamp=at)


def as_bytes(*lines: SignatureLine) -> bytes:
    return "".join(f"{one}\n" for one in lines).encode()


def test_one_line_a_key_the_newest() -> None:
    old, new, other = line(ED25519, 10), line(ED25519, 20), line(ML_DSA, 15)
    assert merge_lines(b"", [old, other]) == as_bytes(old, other)
    assert merge_lines(as_bytes(old, other), [new]) == as_bytes(new, other)
    assert merge_lines(as_bytes(new, other), [old]) == as_bytes(new, other)
    assert merge_lines(as_bytes(new), []) == as_bytes(new)


async def test_they_are_kept_with_their_checkpoint_and_make_one_note(world: LogWorld) -> None:
    await world.act(3)
    await world.log.step()
    latest = await world.read(store.latest_checkpoint)
    assert public_note(latest) == latest.note
    for one in (line(ED25519, 10), line(ML_DSA, 15), line(ED25519, 20)):
        await world.database.write(lambda tx, one=one: add_cosignatures(tx, latest.head, [one]))
    record = await world.read(store.latest_checkpoint)
    assert record.note == latest.note
    note = parse_note(public_note(record))
    assert [one.name for one in note.signatures] == [ORIGIN, ORIGIN, "w/1", "w/1"]
    assert note.text == parse_note(latest.note).text


async def test_not_with_another_root(world: LogWorld) -> None:
    await world.act(3)
    await world.log.step()
    with pytest.raises(LogForked):
        await world.database.write(lambda tx: add_cosignatures(tx, TreeHead(3, b"x" * 32), [line(ED25519, 10)]))
