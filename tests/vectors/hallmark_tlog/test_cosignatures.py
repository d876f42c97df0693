"""ML-DSA-44 cosignatures made by transparency-dev/formats in Go, good and mutated."""

import base64
import dataclasses
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hallmark_tlog.cosignature import verify_subtree
from hallmark_tlog.errors import BadSignature, TlogError
from hallmark_tlog.verify import open_checkpoint, verify_note
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey


def vectors_of(tlog: Callable[[str], Path], kind: str) -> list[dict]:
    found = json.loads((tlog("cosig/mldsa44.json")).read_text(encoding="utf-8"))["vectors"]
    return [record for record in found if record["kind"] == kind]


def verify_record(key: VerifierKey, record: dict) -> int:
    # The cosigner's name is part of the message: mutated vectors claim another one.
    named = dataclasses.replace(key, name=record["cosigner_name"])
    return verify_subtree(
        named,
        base64.b64decode(record["timestamped_signature_b64"]),
        origin=record["log_origin"],
        start=record["start"],
        end=record["end"],
        root=bytes.fromhex(record["root_hex"]),
    )


def test_subtrees(tlog: Callable[[str], Path], refusal) -> None:
    found = vectors_of(tlog, "subtree")
    assert found
    for record in found:
        key = parse_vkey(record["vkey"])
        if record["valid"]:
            assert verify_record(key, record) == record["timestamp"]
        else:
            assert refusal(TlogError, verify_record, key, record), record["why"]


def test_notes(tlog: Callable[[str], Path]) -> None:
    found = vectors_of(tlog, "note")
    assert found
    for record in found:
        key = parse_vkey(record["vkey"])
        if record["valid"]:
            (signer,) = verify_note(record["note"].encode(), [key]).signers
            assert (signer.name, signer.type) == (record["cosigner_name"], KeyType.ML_DSA_44)
            assert signer.timestamp
        else:
            with pytest.raises(BadSignature):
                verify_note(record["note"].encode(), [key])


def test_the_keys_are_those_of_their_seeds(tlog: Callable[[str], Path]) -> None:
    found = [record for record in vectors_of(tlog, "note") if "skey" in record]
    assert found
    for record in found:
        seed = base64.b64decode(record["skey"].split("+", 4)[4])[1:]
        public = MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
        assert parse_vkey(record["vkey"]).public_key == public


def test_what_running_witnesses_answered(tlog: Callable[[str], Path]) -> None:
    """The lines of litewitness (0x04) and omniwitness (0x04 and 0x06), put under the checkpoint they were asked for."""
    record = json.loads(tlog("witness/exchanges.json").read_text(encoding="utf-8"))
    witnesses = [parse_vkey(vkey) for witness in record["witnesses"] for vkey in witness["vkeys"]]
    types = set()
    for exchange in record["exchanges"]:
        if exchange["status"] == HTTPStatus.OK:
            checkpoint = exchange["request"].partition("\n\n")[2]
            note = (checkpoint + exchange["response"]).encode()
            opened = open_checkpoint(note, [parse_vkey(record["log_vkey"]), *witnesses], origin=record["origin"])
            assert opened.cosigners
            assert all(signer.timestamp for signer in opened.cosigners)
            types |= {signer.type for signer in opened.cosigners}
    assert types <= {KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44}
    assert types
