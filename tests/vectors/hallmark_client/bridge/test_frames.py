"""The published frames of the bridge protocol: what native apps are built against. frames.json never changes."""

import json
from pathlib import Path

import pytest

from hallmark_client.device.roots import bridge_answers as answers
from hallmark_client.device.roots.bridge_frames import (
    PREFIX_SIZE,
    BridgeInvalid,
    Op,
    body_size,
    parse_answer,
    parse_request,
    request,
)
from hallmark_client.device.roots.bridge_hostile import HOSTILE

VECTORS = json.loads(Path(__file__).with_name("frames.json").read_text())
READERS = {
    Op.FACTS: answers.claim_of,
    Op.EPOCH: answers.epoch_of,
    Op.SEAL: answers.blob_of,
    Op.OPEN: answers.secret_of,
    Op.ADVANCE: answers.epoch_of,
    Op.EVIDENCE: answers.epoch_evidence_of,
    Op.ATTEST: answers.evidence_of,
    Op.SIGN: answers.signature_of,
}


def body(frame: str) -> bytes:
    data = bytes.fromhex(frame)
    assert body_size(data[:PREFIX_SIZE]) == len(data) - PREFIX_SIZE
    return data[PREFIX_SIZE:]


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["name"])
def test_requests_are_written_and_read_so(vector: dict) -> None:
    op, params = parse_request(body(vector["frame"]))
    assert (op.value, params) == (vector["op"], vector["params"])
    assert request(op, params).hex() == vector["frame"]


def test_every_op_has_a_request_and_an_answer() -> None:
    for kind in ("requests", "answers"):
        assert {vector["op"] for vector in VECTORS[kind]} == {op.value for op in Op}


@pytest.mark.parametrize("vector", VECTORS["answers"], ids=lambda vector: vector["name"])
def test_answers_are_read_so(vector: dict) -> None:
    result = parse_answer(body(vector["frame"]))
    assert result == vector["result"]
    assert READERS[Op(vector["op"])](result)


@pytest.mark.parametrize("vector", VECTORS["errors"], ids=lambda vector: vector["code"])
def test_errors_become_the_sdks_own(vector: dict) -> None:
    with pytest.raises(Exception) as caught:
        parse_answer(body(vector["frame"]))
    assert type(caught.value).__name__ == vector["raises"]


@pytest.mark.parametrize("vector", VECTORS["bad_answers"], ids=lambda vector: vector["name"])
def test_bad_answers_are_refused(vector: dict) -> None:
    with pytest.raises(BridgeInvalid):
        READERS[Op(vector["op"])](parse_answer(bytes.fromhex(vector["body"])))


def test_the_hostile_requests_are_those_of_the_checker() -> None:
    assert VECTORS["hostile"] == {name: frame.hex() for name, frame in HOSTILE.items()}
