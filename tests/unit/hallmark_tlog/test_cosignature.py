import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import (
    cosignature_v1_message,
    message_to_sign,
    signature_line,
    subtree_message,
    verify_signature,
    verify_subtree,
)
from hallmark_tlog.errors import BadSignature, FormatError
from hallmark_tlog.vkey import VerifierKey
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    SIGNED_AT,
    WITNESS_ED25519,
    WITNESS_ML_DSA,
    SoftKey,
)

ROOT = bytes(range(32))
CHECKPOINT = Checkpoint("log.example/virtual", 70_000, ROOT)
KEYS = [LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519, WITNESS_ML_DSA]
NAMES = ["log 0x01", "log 0x06", "witness 0x04", "witness 0x06"]


def test_the_messages_byte_by_byte() -> None:
    text = str(CHECKPOINT)
    assert message_to_sign(LOG_ED25519.vkey, CHECKPOINT, timestamp=None) == text.encode()
    assert message_to_sign(WITNESS_ED25519.vkey, CHECKPOINT, timestamp=5) == b"cosignature/v1\ntime 5\n" + text.encode()
    assert message_to_sign(WITNESS_ML_DSA.vkey, CHECKPOINT, timestamp=5) == (
        b"subtree/v1\n\x00"
        b"\x13witness.example/two"
        b"\x00\x00\x00\x00\x00\x00\x00\x05"
        b"\x13log.example/virtual"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x01\x11\x70" + ROOT
    )


def test_extension_lines_are_signed_by_ed25519_only() -> None:
    extended = Checkpoint(CHECKPOINT.origin, CHECKPOINT.size, ROOT, ("extra",))
    for key, covers in zip(KEYS, (True, False, True, False), strict=True):
        time = None if key is LOG_ED25519 else 5
        plain = message_to_sign(key.vkey, CHECKPOINT, timestamp=time)
        assert (message_to_sign(key.vkey, extended, timestamp=time) != plain) is covers


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_a_signature_verifies_and_gives_its_time(key: SoftKey) -> None:
    line = key.sign(CHECKPOINT)
    expected = None if key is LOG_ED25519 else SIGNED_AT
    assert verify_signature(key.vkey, str(CHECKPOINT), line.blob) == expected
    assert (line.name, line.key_id) == (key.vkey.name, key.vkey.key_id)


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_any_change_breaks_a_signature(key: SoftKey) -> None:
    blob = key.sign(CHECKPOINT).blob
    texts = [str(Checkpoint("log.example/virtual", 70_001, ROOT)), str(Checkpoint("log.example/other", 70_000, ROOT))]
    for text in texts:
        with pytest.raises(BadSignature):
            verify_signature(key.vkey, text, blob)
    for position in (0, 7, 8, len(blob) - 1):
        flipped = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises(BadSignature):
            verify_signature(key.vkey, str(CHECKPOINT), flipped)
    for cut in (blob[:-1], blob[8:], blob + b"\0", b"\0" * len(blob)):
        with pytest.raises(BadSignature):
            verify_signature(key.vkey, str(CHECKPOINT), cut)


def test_the_ml_dsa_name_is_signed_the_ed25519_one_is_not() -> None:
    renamed = VerifierKey("witness.example/two2", WITNESS_ML_DSA.vkey.type, WITNESS_ML_DSA.vkey.public_key)
    with pytest.raises(BadSignature):
        verify_signature(renamed, str(CHECKPOINT), WITNESS_ML_DSA.sign(CHECKPOINT).blob)
    renamed = VerifierKey("witness.example/one2", WITNESS_ED25519.vkey.type, WITNESS_ED25519.vkey.public_key)
    assert verify_signature(renamed, str(CHECKPOINT), WITNESS_ED25519.sign(CHECKPOINT).blob) == SIGNED_AT


@pytest.mark.parametrize("key", [LOG_ML_DSA, WITNESS_ED25519], ids=["0x06", "0x04"])
def test_cosignatures_are_for_checkpoints_only(key: SoftKey) -> None:
    with pytest.raises(BadSignature, match="cannot have signed"):
        verify_signature(key.vkey, "just a text\n", key.sign(CHECKPOINT).blob)


def test_times_belong_to_cosignatures() -> None:
    with pytest.raises(FormatError):
        message_to_sign(LOG_ED25519.vkey, CHECKPOINT, timestamp=5)
    for key in (LOG_ML_DSA, WITNESS_ED25519):
        for timestamp in (None, -1, 2**63):
            with pytest.raises(FormatError):
                message_to_sign(key.vkey, CHECKPOINT, timestamp=timestamp)
    with pytest.raises(FormatError):
        cosignature_v1_message(str(CHECKPOINT), timestamp=2**63)


def test_lines_are_made_only_of_whole_signatures() -> None:
    with pytest.raises(FormatError):
        signature_line(LOG_ML_DSA.vkey, bytes(2419), timestamp=5)
    with pytest.raises(FormatError):
        signature_line(VerifierKey("a", 0xFF, b"x"), bytes(64), timestamp=5)
    with pytest.raises(FormatError):
        signature_line(LOG_ML_DSA.vkey, bytes(2420), timestamp=None)


def test_other_types_are_not_supported() -> None:
    other = VerifierKey("a", 0xFF, b"x")
    with pytest.raises(FormatError):
        message_to_sign(other, CHECKPOINT, timestamp=None)
    with pytest.raises(BadSignature):
        verify_signature(other, str(CHECKPOINT), bytes(8))


def test_a_subtree_signature() -> None:
    message = subtree_message(
        cosigner=WITNESS_ML_DSA.vkey.name, timestamp=0, origin="log.example/a", start=256, end=512, root=ROOT
    )
    blob = bytes(8) + WITNESS_ML_DSA.private.sign(message)
    key = WITNESS_ML_DSA.vkey
    assert verify_subtree(key, blob, origin="log.example/a", start=256, end=512, root=ROOT) == 0
    for start, end in ((256, 511), (0, 512), (512, 256)):
        with pytest.raises(BadSignature):
            verify_subtree(key, blob, origin="log.example/a", start=start, end=end, root=ROOT)
    with pytest.raises(BadSignature):
        verify_subtree(WITNESS_ED25519.vkey, blob, origin="log.example/a", start=256, end=512, root=ROOT)


@pytest.mark.parametrize(
    "change",
    [
        {"start": 1, "timestamp": 5},
        {"start": -1},
        {"start": 7, "end": 7},
        {"end": 2**63},
        {"timestamp": 2**63},
        {"root": ROOT[:31]},
        {"cosigner": ""},
        {"cosigner": "é" * 128},
        {"origin": ""},
        {"origin": "x" * 256},
    ],
)
def test_impossible_subtrees(change: dict) -> None:
    valid = {"cosigner": "c", "timestamp": 0, "origin": "o", "start": 0, "end": 7, "root": ROOT}
    assert subtree_message(**valid)
    with pytest.raises(FormatError):
        subtree_message(**valid | change)
