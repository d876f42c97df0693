"""tlog-proof files: syntax verdicts of transparency-dev/formats, and proofs made by spicy-torchwood."""

import base64
import dataclasses

import pytest

from hallmark_tlog.errors import FormatError, InclusionError
from hallmark_tlog.proof import parse_proof, verify_proof
from hallmark_tlog.vkey import parse_vkey


def test_syntax(records, refusal) -> None:
    for record in records("proofs/tlog_proof_syntax.json"):
        data = record["text"].encode()
        if record["parse_ok"]:
            assert bytes(parse_proof(data)) == data, record["name"]
        else:
            assert refusal(FormatError, parse_proof, data), record["name"]


def test_proofs_made_by_torchwood(records) -> None:
    for record in records("proofs/spicy.json"):
        assert record["valid"]
        entry = base64.b64decode(record["data_b64"])
        key = parse_vkey(record["vkey"])
        data = record["tlog_proof"].encode()
        verified = verify_proof(data, entry, [key], origin=key.name)
        proof = parse_proof(data)
        assert (verified.index, bytes(proof)) == (proof.index, data)
        with pytest.raises(InclusionError):
            verify_proof(data, entry + b"x", [key])
        with pytest.raises(InclusionError):
            verify_proof(dataclasses.replace(proof, index=proof.index ^ 1), entry, [key])
        with pytest.raises(FormatError):
            parse_proof(record["proof_without_header"].encode())
