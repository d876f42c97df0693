"""Notes, verifier keys and checkpoint bodies of golang/mod, C2SP and transparency-dev/formats."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.cosignature import signature_line
from hallmark_tlog.errors import FormatError, KeyIdMismatch, TlogError
from hallmark_tlog.note import Note
from hallmark_tlog.verify import verify_note
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey


def test_signed_notes(records, refusal) -> None:
    for record in records("notes/signed_notes.json"):
        text = record["note"]
        data = base64.b64decode(record["note_b64"]) if text is None else text.encode()
        keys = [parse_vkey(vkey) for vkey in record["vkeys"]]
        if record["valid"]:
            names = [signer.name for signer in verify_note(data, keys).signers]
            assert names == record.get("verified", [key.name for key in keys]), record["name"]
        else:
            assert refusal(TlogError, verify_note, data, keys), record["name"]


def has_own_key_id(vkey: str) -> bool:
    """Whether the key ID is SHA-256(name || 0x0A || type || public key)[:4]."""
    name, key_id, encoded = vkey.split("+", 2)
    return sha256(name.encode() + b"\n" + base64.b64decode(encoded)).digest()[:4].hex() == key_id


def test_vkeys(records, refusal) -> None:
    for record in records("notes/vkeys.json"):
        vkey = record["vkey"]
        if not record["valid"]:
            assert refusal(FormatError, parse_vkey, vkey), vkey
        elif record["type"] == KeyType.ML_DSA_44 and not has_own_key_id(vkey):
            # Upstream takes a test key of its own with the key ID of another key.
            assert refusal(KeyIdMismatch, parse_vkey, vkey), vkey
        else:
            key = parse_vkey(vkey)
            assert (key.type, str(key)) == (record["type"], vkey)


def test_checkpoint_bodies(records, refusal) -> None:
    for record in records("notes/checkpoint_bodies.json"):
        strict = record.get("strict_valid")
        if strict is None and record["lenient_parse_ok"]:
            # Upstream takes any root length, and empty extension lines; tlog-checkpoint has neither.
            root = record["body"].split("\n")[2]
            strict = len(base64.b64decode(root)) == 32 and "\n\n" not in record["body"]
        if strict:
            assert str(parse_checkpoint(record["body"])) == record["body"]
        else:
            assert refusal(FormatError, parse_checkpoint, record["body"]), record["name"]


def test_deterministic_signing(tlog: Callable[[str], Path]) -> None:
    record = json.loads((tlog("notes/sign_deterministic.json")).read_text(encoding="utf-8"))
    name, _, encoded = record["skey"].removeprefix("PRIVATE+KEY+").split("+", 2)
    secret = base64.b64decode(encoded)
    assert secret[0] == KeyType.ED25519
    private = Ed25519PrivateKey.from_private_bytes(secret[1:])
    key = VerifierKey(name, KeyType.ED25519, private.public_key().public_bytes_raw())
    line = signature_line(key, private.sign(record["text"].encode()), timestamp=None)
    assert bytes(Note(record["text"], (line,))) == record["want"].encode()
