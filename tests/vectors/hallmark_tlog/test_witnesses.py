"""Full add-checkpoint exchanges of litewitness and omniwitness: our client reads each answer, our witness answers."""

import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import cosignature_v1_message
from hallmark_tlog.errors import FormatError
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey
from hallmark_tlog.witness import (
    SIZE_TYPE,
    Answer,
    Cosigned,
    Refusal,
    Refused,
    SizeConflict,
    TryLater,
    parse_add_checkpoint,
    read_answer,
)
from hallmark_tlog.witness_server import CosigningKey, Reply, WitnessServer
from unit.hallmark_tlog.virtual_log import SIGNED_AT, WITNESS_ED25519, WITNESS_ML_DSA

WITNESS_KEYS = (WITNESS_ED25519, WITNESS_ML_DSA)

STATUS_BY_THE_SPECIFICATION = {
    # Where their witnesses differ from tlog-witness, by the name or the answer of the exchange.
    "unknown origin": HTTPStatus.NOT_FOUND,
    "unknown log": HTTPStatus.NOT_FOUND,
    "tampered signature": HTTPStatus.FORBIDDEN,
    "no signature lines": HTTPStatus.FORBIDDEN,
}


class OurWitness:
    """Our witness with its memory."""

    def __init__(self, logs: dict[str, list[VerifierKey]]) -> None:
        keys = tuple(CosigningKey(key.vkey, key.private.sign) for key in WITNESS_KEYS)
        self.server = WitnessServer(keys, logs)
        self.latest: dict[str, Checkpoint] = {}

    def post(self, body: str) -> Reply:
        reply = self.server.answer(body.encode(), self.latest.get, now=SIGNED_AT)
        if reply.record is not None:
            self.latest[reply.record.origin] = reply.record
        return reply


def exchanges(tlog: Callable[[str], Path]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tlog("witness/exchanges.json").read_text(encoding="utf-8"))
    assert found["exchanges"]
    return found


def text_of(request: str) -> str:
    return request.partition("\n\n")[2].rpartition("\n\n")[0] + "\n"


def check_answer(exchange: dict[str, Any], answer: Answer) -> None:
    status = exchange["status"]
    match answer:
        case Cosigned(lines):
            assert status == HTTPStatus.OK
            assert "".join(f"{line}\n" for line, _ in lines) == exchange["response"]
        case SizeConflict(size):
            assert (status, f"{size}\n") == (HTTPStatus.CONFLICT, exchange["response"])
        case TryLater(seen):
            assert status == seen >= HTTPStatus.INTERNAL_SERVER_ERROR
        case Refused(reason, problem):
            assert status == reason.value
            assert problem == (exchange["response"].strip() or reason.name)
            assert reason is not Refusal.UNREADABLE


def test_our_client_reads_every_answer(tlog: Callable[[str], Path]) -> None:
    found = exchanges(tlog)
    vkeys = [parse_vkey(vkey) for witness in found["witnesses"] for vkey in witness["vkeys"]]
    for exchange in found["exchanges"]:
        text = text_of(exchange["request"])
        body = exchange["response"].encode()
        check_answer(exchange, read_answer(exchange["status"], exchange["content_type"], body, text=text, vkeys=vkeys))
        if exchange["status"] == HTTPStatus.OK:
            answer = read_answer(HTTPStatus.OK, None, body, text=text, vkeys=[WITNESS_ED25519.vkey])
            assert isinstance(answer, Refused)
            assert answer.reason is Refusal.UNREADABLE


def test_requests_are_written_as_they_were_read(tlog: Callable[[str], Path], refusal) -> None:
    for exchange in exchanges(tlog)["exchanges"]:
        data = exchange["request"].encode()
        if refusal(FormatError, parse_add_checkpoint, data):
            assert exchange["status"] >= HTTPStatus.BAD_REQUEST, exchange["name"]
        else:
            assert exchange["name"] != "garbage"
            assert bytes(parse_add_checkpoint(data)) == data


def test_our_witness_answers_as_the_specification_says(tlog: Callable[[str], Path]) -> None:
    """One fresh witness for each of theirs; the requests of one are a sequence."""
    found = exchanges(tlog)
    log = parse_vkey(found["log_vkey"])
    history = signed_checkpoints(found["exchanges"], log)
    witnesses: dict[str, OurWitness] = {}
    for exchange in found["exchanges"]:
        ours = witnesses.setdefault(exchange["witness"], OurWitness({found["origin"]: [log]}))
        theirs = history.get(size_they_had(exchange))
        if theirs is not None:
            # Nothing to do while the sequence is whole; a set of vectors may leave requests out.
            ours.latest[theirs.origin] = theirs
        check_reply(exchange, ours.post(exchange["request"]))


def signed_checkpoints(exchanged: list[dict[str, Any]], log: VerifierKey) -> dict[int | None, Checkpoint]:
    """By size."""
    history: dict[int | None, Checkpoint] = {}
    for exchange in exchanged:
        if exchange["status"] == HTTPStatus.OK:
            request = parse_add_checkpoint(exchange["request"].encode())
            checkpoint = open_checkpoint(request.checkpoint, [log]).checkpoint
            history[checkpoint.size] = checkpoint
    return history


def size_they_had(exchange: dict[str, Any]) -> int | None:
    """What the witness had cosigned last, as far as its answer tells."""
    if exchange["status"] in (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY):
        return parse_add_checkpoint(exchange["request"].encode()).old_size
    return int(exchange["response"]) if exchange["content_type"] == SIZE_TYPE else None


def status_by_the_specification(exchange: dict[str, Any], name: str | None) -> HTTPStatus:
    if name in STATUS_BY_THE_SPECIFICATION:
        return STATUS_BY_THE_SPECIFICATION[name]
    if exchange["status"] == HTTPStatus.CONFLICT and exchange.get("content_type", SIZE_TYPE) != SIZE_TYPE:
        return HTTPStatus.UNPROCESSABLE_ENTITY  # another root of the same size: 409 in tlog-witness 1.0.0
    return HTTPStatus(exchange["status"])


def check_reply(exchange: dict[str, Any], reply: Reply) -> None:
    assert reply.status == status_by_the_specification(exchange, exchange["name"]), exchange["name"]
    if reply.status == HTTPStatus.CONFLICT:
        assert (reply.content_type, reply.body.decode()) == (SIZE_TYPE, exchange["response"])
    if reply.status == HTTPStatus.OK:
        text = text_of(exchange["request"])
        vkeys = [key.vkey for key in WITNESS_KEYS]
        answer = read_answer(reply.status, reply.content_type, reply.body, text=text, vkeys=vkeys)
        assert isinstance(answer, Cosigned)
        assert [signer.type for _, signer in answer.lines] == [KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44]
        message = cosignature_v1_message(text, timestamp=SIGNED_AT)
        WITNESS_ED25519.private.public_key().verify(answer.lines[0][0].blob[8:], message)


def test_the_requests_of_litewitness_itself(tlog: Callable[[str], Path]) -> None:
    found = json.loads(tlog("witness/litewitness_upstream_hurl.json").read_text(encoding="utf-8"))
    assert found["exchanges"]
    known = found["exchanges"][0]["request"].partition("\n\n")[2].partition("\n")[0]
    log = VerifierKey(known, KeyType.ED25519, bytes.fromhex(found["log_key_hex"]))
    ours = OurWitness({known: [log]})
    for exchange in found["exchanges"]:
        expected = status_by_the_specification(exchange, exchange["body_contains"])
        assert ours.post(exchange["request"]).status == expected, exchange["request"]
