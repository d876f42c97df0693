import dataclasses
import itertools
from hashlib import sha256

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import BadSignature, FormatError, NotSigned, OriginMismatch
from hallmark_tlog.note import Note
from hallmark_tlog.verify import Require, open_checkpoint, verify_note
from hallmark_tlog.vkey import KeyType, VerifierKey
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    WITNESS_ML_DSA,
    sign_note,
)

CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(32))
EVERYBODY = (LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519, WITNESS_ML_DSA)
NOTE = sign_note(CHECKPOINT, *EVERYBODY)


def test_all_signers_with_their_times() -> None:
    opened = open_checkpoint(NOTE, [key.vkey for key in EVERYBODY], origin=ORIGIN, require=Require.ALL)
    assert opened.checkpoint == CHECKPOINT
    assert [(signer.name, signer.type, signer.timestamp) for signer in opened.signers] == [
        (ORIGIN, KeyType.ED25519, None),
        (ORIGIN, KeyType.ML_DSA_44, SIGNED_AT),
        ("witness.example/one", KeyType.ED25519_COSIGNATURE, SIGNED_AT),
        ("witness.example/two", KeyType.ML_DSA_44, SIGNED_AT),
    ]
    assert [signer.name for signer in opened.cosigners] == ["witness.example/one", "witness.example/two"]


@pytest.mark.parametrize("key", LOG_VKEYS, ids=["0x01", "0x06"])
def test_one_log_key_is_enough(key: VerifierKey) -> None:
    opened = open_checkpoint(NOTE, [key])
    assert [(signer.name, signer.key_id) for signer in opened.signers] == [(key.name, key.key_id)]


def test_a_witness_does_not_stand_in_for_the_log() -> None:
    note = sign_note(CHECKPOINT, WITNESS_ED25519)
    with pytest.raises(NotSigned, match=ORIGIN):
        open_checkpoint(note, [*LOG_VKEYS, WITNESS_ED25519.vkey])
    with pytest.raises(NotSigned):
        open_checkpoint(note, [WITNESS_ED25519.vkey], require=Require.ALL)
    assert open_checkpoint(note, [WITNESS_ED25519.vkey], require=Require.ANY).checkpoint == CHECKPOINT


def test_all_means_every_given_key() -> None:
    note = sign_note(CHECKPOINT, LOG_ED25519)
    assert open_checkpoint(note, LOG_VKEYS).checkpoint == CHECKPOINT
    with pytest.raises(NotSigned, match="0x06"):
        open_checkpoint(note, LOG_VKEYS, require=Require.ALL)


def test_nobody_known_signed() -> None:
    with pytest.raises(NotSigned):
        open_checkpoint(NOTE, [])
    stranger = VerifierKey(ORIGIN, KeyType.ED25519, bytes(32))
    with pytest.raises(NotSigned):
        open_checkpoint(NOTE, [stranger])


def test_a_bad_line_of_a_known_key_refuses_the_whole_note() -> None:
    note = Note(str(CHECKPOINT), tuple(key.sign(CHECKPOINT) for key in EVERYBODY))
    for position, key in enumerate(EVERYBODY):
        line = note.signatures[position]
        bad = dataclasses.replace(line, blob=line.blob[:-1] + bytes([line.blob[-1] ^ 1]))
        lines = [*note.signatures]
        lines[position] = bad
        data = bytes(dataclasses.replace(note, signatures=tuple(lines)))
        with pytest.raises(BadSignature, match=key.vkey.name):
            open_checkpoint(data, [other.vkey for other in EVERYBODY])
        others = [other.vkey for other in EVERYBODY if other is not key]
        assert open_checkpoint(data, others).checkpoint == CHECKPOINT


def test_a_bad_second_line_of_the_same_key_counts() -> None:
    good = LOG_ED25519.sign(CHECKPOINT)
    bad = dataclasses.replace(good, blob=bytes(64))
    with pytest.raises(BadSignature):
        verify_note(bytes(Note(str(CHECKPOINT), (good, bad))), LOG_VKEYS)


def test_a_key_that_signed_twice_counts_once_with_its_newest_time() -> None:
    lines = (LOG_ML_DSA.sign(CHECKPOINT, 10), LOG_ML_DSA.sign(CHECKPOINT, 30), LOG_ML_DSA.sign(CHECKPOINT, 20))
    (signer,) = verify_note(bytes(Note(str(CHECKPOINT), lines)), LOG_VKEYS).signers
    assert signer.timestamp == 30


def test_same_name_or_same_id_alone_is_an_unknown_key() -> None:
    line = LOG_ED25519.sign(CHECKPOINT)
    strangers = (
        dataclasses.replace(line, name="other.example", blob=bytes(64)),
        dataclasses.replace(line, key_id=bytes(4), blob=bytes(64)),
    )
    opened = open_checkpoint(bytes(Note(str(CHECKPOINT), (*strangers, line))), LOG_VKEYS)
    assert len(opened.signers) == 1


def test_keys_of_other_types_are_unknown() -> None:
    key = VerifierKey(ORIGIN, 0xFF, b"own scheme")
    line = dataclasses.replace(LOG_ED25519.sign(CHECKPOINT), key_id=key.key_id)
    with pytest.raises(NotSigned, match="not supported"):
        open_checkpoint(bytes(Note(str(CHECKPOINT), (line,))), [key])


def colliding_keys() -> tuple[VerifierKey, VerifierKey]:
    """Two keys of one name with the same 4-byte key ID: a birthday search of some 100,000 hashes."""
    seen: dict[bytes, int] = {}
    for number in itertools.count():
        key_id = sha256(b"a\n\x01" + number.to_bytes(32, "big")).digest()[:4]
        if (other := seen.setdefault(key_id, number)) != number:
            first, second = (VerifierKey("a", KeyType.ED25519, n.to_bytes(32, "big")) for n in (other, number))
            return first, second
    raise AssertionError


def test_two_keys_behind_one_name_and_id_are_ambiguous() -> None:
    first, second = colliding_keys()
    assert first.key_id == second.key_id
    assert open_checkpoint(NOTE, [*LOG_VKEYS, first, first]).checkpoint == CHECKPOINT
    with pytest.raises(FormatError, match="share"):
        open_checkpoint(NOTE, [*LOG_VKEYS, first, second])


def test_another_origin() -> None:
    with pytest.raises(OriginMismatch):
        open_checkpoint(NOTE, LOG_VKEYS, origin="log.example/other")


def test_a_signed_text_that_is_no_checkpoint() -> None:
    text = "hello\n"
    line = dataclasses.replace(LOG_ED25519.sign(CHECKPOINT), blob=LOG_ED25519.private.sign(text.encode()))
    note = bytes(Note(text, (line,)))
    assert verify_note(note, LOG_VKEYS).text == text
    with pytest.raises(FormatError):
        open_checkpoint(note, LOG_VKEYS)


def test_extension_lines_are_shown_only_if_a_signature_covers_them() -> None:
    extended = dataclasses.replace(CHECKPOINT, extensions=("a claim",))
    assert open_checkpoint(sign_note(extended, LOG_ML_DSA), LOG_VKEYS).checkpoint == CHECKPOINT
    assert open_checkpoint(sign_note(extended, LOG_ML_DSA, LOG_ED25519), LOG_VKEYS).checkpoint == extended
