from http import HTTPStatus

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import BadSignature, FormatError, NotSigned
from hallmark_tlog.note import Note, SignatureLine, parse_note
from hallmark_tlog.vkey import KeyType, VerifierKey
from hallmark_tlog.witness import (
    MAX_ANSWER_BYTES,
    SIZE_TYPE,
    AddCheckpointRequest,
    Answer,
    Cosigned,
    Refusal,
    Refused,
    SizeConflict,
    TryLater,
    keep_lines,
    parse_add_checkpoint,
    parse_cosignatures,
    parse_size_conflict,
    read_answer,
)
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    WITNESS_ML_DSA,
    SoftKey,
    sign_note,
)

CHECKPOINT = Checkpoint(ORIGIN, 5, bytes(32))
TEXT = str(CHECKPOINT)
NOTE = sign_note(CHECKPOINT, LOG_ED25519)
HASH = "A" * 43 + "="
WITNESS_VKEYS = (WITNESS_ED25519.vkey, WITNESS_ML_DSA.vkey)


def body(*lines: SignatureLine) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def read(status: int, answer: bytes = b"", content_type: str | None = None) -> Answer:
    return read_answer(status, content_type, answer, text=TEXT, vkeys=WITNESS_VKEYS)


def test_a_request() -> None:
    request = AddCheckpointRequest(3, (bytes(32), bytes(32)), NOTE)
    assert bytes(request) == f"old 3\n{HASH}\n{HASH}\n\n".encode() + NOTE
    assert parse_add_checkpoint(bytes(request)) == request


def test_a_first_request() -> None:
    request = AddCheckpointRequest(0, (), NOTE)
    assert bytes(request) == b"old 0\n\n" + NOTE
    assert parse_add_checkpoint(bytes(request)) == request


def test_the_longest_proof() -> None:
    request = AddCheckpointRequest(2**63 - 1, (bytes(32),) * 63, NOTE)
    assert parse_add_checkpoint(bytes(request)) == request
    with pytest.raises(FormatError):
        parse_add_checkpoint(bytes(request).replace(b"\n\n", f"\n{HASH}\n\n".encode(), 1))


@pytest.mark.parametrize(
    "head",
    [
        *("", "old", "old ", "old 01", "old -1", "old +1", "old 9223372036854775808", " old 0", "old 0 ", "new 0"),
        *("old 0\nAAAA", f"old 0\n{HASH} ", f"old 0\n{HASH}\r", f"{HASH}\nold 0", "old \u0661"),
        f"old 0\n{HASH[:-2]}B=",
    ],
)
def test_malformed_requests(head: str) -> None:
    with pytest.raises(FormatError):
        parse_add_checkpoint(f"{head}\n\n".encode() + NOTE)


@pytest.mark.parametrize("data", [b"", b"hello\n", b"old 0\n\n", b"old 0\n", b"old 0\n\n" + bytes(1_100_000)])
def test_requests_without_a_checkpoint(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_add_checkpoint(data)


@pytest.mark.parametrize(
    ("old_size", "proof", "checkpoint"),
    [(-1, (), NOTE), (2**63, (), NOTE), (0, (bytes(31),), NOTE), (0, (bytes(32),) * 64, NOTE), (0, (), b"")],
)
def test_impossible_requests(old_size: int, proof: tuple[bytes, ...], checkpoint: bytes) -> None:
    with pytest.raises(FormatError):
        AddCheckpointRequest(old_size, proof, checkpoint)


def test_only_the_lines_of_the_log_are_sent() -> None:
    note = sign_note(CHECKPOINT, LOG_ED25519, WITNESS_ML_DSA, LOG_ML_DSA, WITNESS_ED25519)
    sent = parse_note(keep_lines(note, LOG_VKEYS))
    assert sent.text == TEXT
    assert [(line.name, line.key_id) for line in sent.signatures] == [(key.name, key.key_id) for key in LOG_VKEYS]
    assert keep_lines(note, [LOG_ED25519.vkey]) == NOTE
    with pytest.raises(NotSigned):
        keep_lines(NOTE, [LOG_ML_DSA.vkey])


def test_cosignatures_are_verified() -> None:
    lines = (WITNESS_ED25519.sign(CHECKPOINT), WITNESS_ML_DSA.sign(CHECKPOINT))
    answer = read(HTTPStatus.OK, body(*lines))
    assert isinstance(answer, Cosigned)
    assert tuple(line for line, _ in answer.lines) == lines
    assert [(signer.name, signer.timestamp) for _, signer in answer.lines] == [
        ("witness.example/one", SIGNED_AT),
        ("witness.example/two", SIGNED_AT),
    ]


def test_lines_of_others_are_left_out() -> None:
    stranger = SoftKey.make("witness.example/three", KeyType.ED25519_COSIGNATURE, 8)
    mine = WITNESS_ED25519.sign(CHECKPOINT)
    answer = body(stranger.sign(CHECKPOINT), LOG_ED25519.sign(CHECKPOINT), mine)
    assert [line for line, _ in parse_cosignatures(answer, TEXT, [*WITNESS_VKEYS, LOG_ED25519.vkey])] == [mine]
    with pytest.raises(NotSigned):
        parse_cosignatures(body(stranger.sign(CHECKPOINT)), TEXT, WITNESS_VKEYS)


def test_of_two_lines_of_a_key_the_newest_counts() -> None:
    old, new = WITNESS_ED25519.sign(CHECKPOINT, 5), WITNESS_ED25519.sign(CHECKPOINT, 6)
    assert [line for line, _ in parse_cosignatures(body(new, old), TEXT, WITNESS_VKEYS)] == [new]


@pytest.mark.parametrize("key", [WITNESS_ED25519, WITNESS_ML_DSA], ids=["0x04", "0x06"])
def test_cosignatures_of_something_else(key: SoftKey) -> None:
    other = key.sign(Checkpoint(ORIGIN, 6, bytes(32)))
    for line in (other, key.sign(CHECKPOINT, 0), SignatureLine(other.name, other.key_id, other.blob[:-1])):
        with pytest.raises(BadSignature):
            parse_cosignatures(body(line), TEXT, WITNESS_VKEYS)
        assert isinstance(read(HTTPStatus.OK, body(line)), Refused)


GOOD = WITNESS_ED25519.sign(CHECKPOINT)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\n",
        body(GOOD)[:-1],
        body(GOOD) + b"\n",
        b"\n" + body(GOOD),
        b"more text\n\n" + body(GOOD),
        body(GOOD) + b"\n" + body(GOOD),
        b"\xff\n",
        body(GOOD).replace(b"\xe2\x80\x94", b"-"),
        body(*[GOOD] * 101),
        body(GOOD) + b"\xe2\x80\x94 a " + b"A" * MAX_ANSWER_BYTES + b"\n",
    ],
)
def test_malformed_cosignatures(answer: bytes) -> None:
    with pytest.raises(FormatError):
        parse_cosignatures(answer, TEXT, WITNESS_VKEYS)
    found = read(HTTPStatus.OK, answer)
    assert isinstance(found, Refused)
    assert found.reason is Refusal.UNREADABLE


@pytest.mark.parametrize("content_type", [SIZE_TYPE, "Text/X.TLog.Size", SIZE_TYPE + "; charset=utf-8"])
def test_a_size_conflict(content_type: str) -> None:
    assert parse_size_conflict(HTTPStatus.CONFLICT, content_type, b"600\n") == 600
    assert read(HTTPStatus.CONFLICT, b"0\n", content_type) == SizeConflict(0)


@pytest.mark.parametrize(
    "answer", [b"", b"600", b"0600\n", b"600\n\n", b"-1\n", b" 1\n", b"\xd9\xa1\n", b"9" * 30 + b"\n"]
)
def test_sizes_that_are_none(answer: bytes) -> None:
    with pytest.raises(FormatError):
        parse_size_conflict(HTTPStatus.CONFLICT, SIZE_TYPE, answer)
    found = read(HTTPStatus.CONFLICT, answer, SIZE_TYPE)
    assert isinstance(found, Refused)
    assert found.reason is Refusal.UNREADABLE


def test_a_size_belongs_to_a_conflict() -> None:
    for status, content_type in ((HTTPStatus.OK, SIZE_TYPE), (HTTPStatus.CONFLICT, None), (409, "text/plain")):
        with pytest.raises(FormatError):
            parse_size_conflict(status, content_type, b"600\n")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Refusal.BAD_REQUEST),
        (403, Refusal.NO_LOG_SIGNATURE),
        (404, Refusal.UNKNOWN_LOG),
        (422, Refusal.INCONSISTENT),
        (409, Refusal.INCONSISTENT),
        (0, Refusal.UNREADABLE),
        (204, Refusal.UNREADABLE),
        (302, Refusal.UNREADABLE),
        (401, Refusal.UNREADABLE),
        (-1, Refusal.UNREADABLE),
        (408, 408),
        (429, 429),
        (500, 500),
        (503, 503),
    ],
)
def test_every_status_has_one_meaning(status: int, expected: Refusal | int) -> None:
    found = read(status, b"why\nmore")
    if isinstance(expected, int):
        assert found == TryLater(status)
    else:
        assert isinstance(found, Refused)
        assert found.reason is expected
        assert found.problem


def test_what_a_witness_says_is_shown_in_one_harmless_line() -> None:
    found = read(HTTPStatus.FORBIDDEN, b"no \x1b[31msignature\xff\nsecond line")
    assert found == Refused(Refusal.NO_LOG_SIGNATURE, "no ?[31msignature\ufffd")
    assert read(HTTPStatus.FORBIDDEN) == Refused(Refusal.NO_LOG_SIGNATURE, "NO_LOG_SIGNATURE")


def test_a_text_that_is_no_note_is_not_cosigned() -> None:
    for text in ("", "no newline", "\ud800\n"):
        assert isinstance(read_answer(200, None, body(GOOD), text=text, vkeys=WITNESS_VKEYS), Refused)


def test_a_key_that_does_not_cosign_is_not_asked_for() -> None:
    plain = VerifierKey(WITNESS_ED25519.vkey.name, KeyType.ED25519, WITNESS_ED25519.vkey.public_key)
    line = SignatureLine(plain.name, plain.key_id, WITNESS_ED25519.private.sign(TEXT.encode()))
    assert bytes(Note(TEXT, (line,)))
    with pytest.raises(NotSigned):
        parse_cosignatures(body(line), TEXT, [plain])
