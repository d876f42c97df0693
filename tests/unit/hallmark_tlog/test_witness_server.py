from http import HTTPStatus

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import FormatError
from hallmark_tlog.note import Note
from hallmark_tlog.prove import consistency_proof
from hallmark_tlog.witness import SIZE_TYPE, AddCheckpointRequest, Cosigned, keep_lines, read_answer
from hallmark_tlog.witness_server import CosigningKey, Reply, WitnessServer
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    WITNESS_ML_DSA,
    VirtualLog,
    sign_note,
)

LOG = VirtualLog.of_size(8)
WITNESS_KEYS = (WITNESS_ED25519, WITNESS_ML_DSA)
SERVER = WitnessServer(tuple(CosigningKey(key.vkey, key.private.sign) for key in WITNESS_KEYS), {ORIGIN: LOG_VKEYS})


def request(old: int, new: int, *, proof: list[bytes] | None = None, checkpoint: Checkpoint | None = None) -> bytes:
    hashes = consistency_proof(old, new, LOG.read_hash) if proof is None else proof
    return bytes(AddCheckpointRequest(old, tuple(hashes), sign_note(checkpoint or LOG.at(new), LOG_ED25519)))


def ask(body: bytes, last: int | None = None) -> Reply:
    latest = {ORIGIN: LOG.at(last)} if last is not None else {}
    reply = SERVER.answer(body, latest.get, now=SIGNED_AT)
    assert (reply.record is not None) is (reply.status == HTTPStatus.OK)
    return reply


@pytest.mark.parametrize(("last", "new"), [(None, 0), (None, 1), (None, 8), (0, 5), (3, 7), (4, 8), (5, 5)])
def test_a_log_that_grows_is_cosigned(last: int | None, new: int) -> None:
    reply = ask(request(last or 0, new), last)
    assert (reply.status, reply.record) == (HTTPStatus.OK, LOG.at(new))
    vkeys = [key.vkey for key in WITNESS_KEYS]
    answer = read_answer(reply.status, reply.content_type, reply.body, text=str(LOG.at(new)), vkeys=vkeys)
    assert isinstance(answer, Cosigned)
    assert [(signer.name, signer.timestamp) for _, signer in answer.lines] == [
        (key.vkey.name, SIGNED_AT) for key in WITNESS_KEYS
    ]


def test_either_key_of_the_log_is_enough_and_other_lines_are_ignored() -> None:
    for keys in ((LOG_ED25519,), (LOG_ML_DSA,), (WITNESS_ED25519, LOG_ML_DSA)):
        body = bytes(AddCheckpointRequest(0, (), sign_note(LOG.at(3), *keys)))
        assert ask(body).status == HTTPStatus.OK


@pytest.mark.parametrize(("last", "old"), [(None, 3), (3, 0), (3, 2), (3, 4), (8, 0)])
def test_another_old_size_is_told_the_right_one(last: int | None, old: int) -> None:
    reply = ask(request(old, 8), last)
    assert (reply.status, reply.content_type, reply.body) == (409, SIZE_TYPE, f"{last or 0}\n".encode())


def test_a_proof_that_does_not_hold() -> None:
    proof = consistency_proof(3, 8, LOG.read_hash)
    for wrong in ([], proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]]):
        assert ask(request(3, 8, proof=wrong), 3).status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert ask(request(0, 8, proof=[bytes(32)])).status == HTTPStatus.UNPROCESSABLE_ENTITY


def test_another_root_for_the_size() -> None:
    fork = Checkpoint(ORIGIN, 5, bytes(32))
    assert ask(request(5, 5, checkpoint=fork), 5).status == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_log_that_shrinks() -> None:
    body = bytes(AddCheckpointRequest(5, (), sign_note(LOG.at(3), LOG_ED25519)))
    assert ask(body, 5).status == HTTPStatus.BAD_REQUEST
    assert ask(body, 7).status == HTTPStatus.BAD_REQUEST


def test_an_unknown_log() -> None:
    other = Checkpoint("log.example/other", 5, bytes(32))
    assert ask(request(0, 5, checkpoint=other)).status == HTTPStatus.NOT_FOUND


def test_no_good_signature_of_the_log() -> None:
    good = sign_note(LOG.at(5), LOG_ED25519)
    line = good.rpartition(b" ")[2]
    notes = (
        sign_note(LOG.at(5), WITNESS_ED25519),
        good.replace(line, line[:-8] + b"AAA=\n"),
        good.replace(line, b"%%%%\n"),
        str(LOG.at(5)).encode() + b"\n",
    )
    for note in notes:
        assert ask(bytes(AddCheckpointRequest(0, (), note))).status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("body", [b"", b"hello\n", b"old 0\n\nhello\n", b"old 0\n\n\xff\n\n", b"old x\n\na\n\n"])
def test_malformed_requests(body: bytes) -> None:
    assert ask(body).status == HTTPStatus.BAD_REQUEST


def test_the_client_and_the_witness_together() -> None:
    note = sign_note(LOG.at(8), LOG_ED25519, LOG_ML_DSA, WITNESS_ML_DSA)
    sent = keep_lines(note, LOG_VKEYS)
    first = ask(bytes(AddCheckpointRequest(0, (), sent)), 3)
    assert first.status == HTTPStatus.CONFLICT
    size = int(first.body)
    proof = tuple(consistency_proof(size, 8, LOG.read_hash))
    second = ask(bytes(AddCheckpointRequest(size, proof, sent)), 3)
    assert second.status == HTTPStatus.OK


def test_keys_that_cannot_cosign() -> None:
    with pytest.raises(FormatError):
        CosigningKey(LOG_ED25519.vkey, LOG_ED25519.private.sign)


def test_extension_lines_are_part_of_what_is_cosigned() -> None:
    extended = Checkpoint(ORIGIN, 5, LOG.at(5).root, ("extra",))
    reply = ask(bytes(AddCheckpointRequest(0, (), bytes(Note(str(extended), (LOG_ED25519.sign(extended),))))))
    vkeys = [WITNESS_ED25519.vkey]
    answer = read_answer(reply.status, reply.content_type, reply.body, text=str(extended), vkeys=vkeys)
    assert isinstance(answer, Cosigned)
