"""Python packages of other people read what we write: proofbundle our proofs, sigstore our checkpoints, scitt-cose our
COSE receipts.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.cose import Algorithm, CoseKey
from hallmark_tlog.cose_receipt import inclusion_receipt, receipt_header, receipt_message, verify_receipt
from hallmark_tlog.note import parse_note
from hallmark_tlog.proof import parse_proof
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import KeyType
from peers.grown_log import SIZES, GrownLog
from peers.own_witness import OwnWitness
from peers.tools import Outcome, Peers, run

_INDEX = 65_536
_READ_BY_SCITT_COSE = """
import dataclasses, json, sys
from scitt_cose import verify_receipt

asked = json.load(sys.stdin)
result = verify_receipt(bytes.fromhex(asked["receipt"]), leaf_entry_hex=asked["entry"], log_public_key_pem=asked["key"])
print(json.dumps({name: getattr(result, name) for name in (
    "ok", "root", "tree_size", "leaf_index", "issuer", "subject", "failed_at", "errors"
)}))
"""
_READ_BY_SIGSTORE = """
import base64, json, sys
from sigstore._internal.rekor.checkpoint import SignedCheckpoint

read = SignedCheckpoint.from_text(sys.stdin.buffer.read().decode())
print(json.dumps({
    "origin": read.checkpoint.origin,
    "size": read.checkpoint.log_size,
    "root": read.checkpoint.log_hash,
    "rest": read.checkpoint.other_content,
    "note": read.signed_note.note,
    "signatures": [
        [line.name, (line.sig_hash + base64.b64decode(line.signature)).hex()] for line in read.signed_note.signatures
    ],
}))
"""


@pytest.fixture
def python(peers: Peers) -> Path:
    return peers.python()


def verify(python: Path, folder: Path, log: GrownLog, proof: bytes, *witnesses: OwnWitness, **other: str) -> Outcome:
    (folder / "entry").write_bytes(log.entries[_INDEX])
    (folder / "proof").write_bytes(proof)
    keys = [f"--witness-vkey={witness.key}" for witness in witnesses]
    return run(
        python.with_name("proofbundle"),
        "verify-proof",
        folder / "proof",
        f"--payload-file={folder / 'entry'}",
        f"--log-vkey={log.ed25519}",
        f"--expected-origin={other.get('origin', log.origin)}",
        f"--threshold={len(keys)}",
        *keys,
    )


def cosigned(proof: bytes, *witnesses: OwnWitness) -> bytes:
    checkpoint = parse_proof(proof).checkpoint
    for witness in witnesses:
        checkpoint = witness.cosign(checkpoint)
    return bytes(replace(parse_proof(proof), checkpoint=checkpoint))


def test_proofbundle_verifies_a_proof(python: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    proof = grown_log.proofs[_INDEX]
    verify(python, tmp_path, grown_log, proof).must_succeed()
    assert verify(python, tmp_path, grown_log, proof, origin="log.example/another").status != 0
    moved = bytes(replace(parse_proof(proof), index=_INDEX - 1))
    assert verify(python, tmp_path, grown_log, moved).status != 0


def test_proofbundle_verifies_both_kinds_of_cosignatures(python: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    ed25519 = OwnWitness.create("witness.example/ed25519", KeyType.ED25519_COSIGNATURE)
    ml_dsa = OwnWitness.create("witness.example/ml-dsa", KeyType.ML_DSA_44)
    proof = grown_log.proofs[_INDEX]
    verify(python, tmp_path, grown_log, cosigned(proof, ed25519, ml_dsa), ed25519, ml_dsa).must_succeed()
    for only in (ed25519, ml_dsa):
        assert verify(python, tmp_path, grown_log, cosigned(proof, only), ed25519, ml_dsa).status != 0


@pytest.mark.parametrize("size", SIZES)
def test_sigstore_reads_a_checkpoint(python: Path, grown_log: GrownLog, size: int) -> None:
    """Its classes are private and know no C2SP key: only what they read is compared."""
    note = grown_log.checkpoint(size)
    opened = open_checkpoint(note, [grown_log.ed25519, grown_log.ml_dsa], origin=grown_log.origin)
    read = json.loads(run(python, "-c", _READ_BY_SIGSTORE, stdin=note).must_succeed())
    assert (read["origin"], read["size"], read["rest"]) == (grown_log.origin, size, [])
    assert bytes.fromhex(read["root"]) == opened.checkpoint.root
    assert read["note"] == str(opened.checkpoint)
    keys = [grown_log.ed25519, grown_log.ml_dsa]
    assert [name for name, _ in read["signatures"]] == [key.name for key in keys]
    assert [bytes.fromhex(blob)[:4] for _, blob in read["signatures"]] == [key.key_id for key in keys]


EdKey = ed25519.Ed25519PrivateKey


@pytest.mark.parametrize(
    ("private_key", "algorithm"),
    [
        (EdKey.from_private_bytes(bytes(range(32))), Algorithm.EDDSA),
        (ec.derive_private_key(3, ec.SECP256R1()), Algorithm.ES256),
    ],
    ids=["EdDSA", "ES256"],
)
def test_scitt_cose_verifies_a_receipt(
    python: Path, grown_log: GrownLog, private_key: EdKey | ec.EllipticCurvePrivateKey, algorithm: Algorithm
) -> None:
    """It knows neither -19 nor -48: our ML-DSA-44 receipts have no second reader in Python."""
    proof = parse_proof(grown_log.proofs[_INDEX])
    checkpoint = parse_checkpoint(parse_note(proof.checkpoint).text)
    protected = receipt_header(algorithm=algorithm, kid=b"receipts", issuer="https://log.example", subject="hallmark")
    signature = sign(private_key, receipt_message(protected, checkpoint.root))
    receipt = inclusion_receipt(protected, signature, size=checkpoint.size, index=_INDEX, path=proof.path)
    verify_receipt(receipt, grown_log.entries[_INDEX], [CoseKey(private_key.public_key(), b"receipts")])

    def ask(receipt: bytes, entry: bytes) -> dict[str, object]:
        pem = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        asked = json.dumps({"receipt": receipt.hex(), "entry": entry.hex(), "key": pem}).encode()
        return json.loads(run(python, "-c", _READ_BY_SCITT_COSE, stdin=asked).must_succeed())

    read = ask(receipt, grown_log.entries[_INDEX])
    assert read["ok"], read["errors"]
    assert read["root"] == checkpoint.root.hex()
    assert (read["tree_size"], read["leaf_index"]) == (checkpoint.size, _INDEX)
    assert (read["issuer"], read["subject"]) == ("https://log.example", "hallmark")
    assert ask(receipt, grown_log.entries[0])["failed_at"] == "signature"
    assert ask(receipt[:-1] + bytes([receipt[-1] ^ 1]), grown_log.entries[_INDEX])["failed_at"] == "signature"


def sign(private_key: EdKey | ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    if isinstance(private_key, EdKey):
        return private_key.sign(message)
    pair = decode_dss_signature(private_key.sign(message, ec.ECDSA(hashes.SHA256())))
    return b"".join(number.to_bytes(32, "big") for number in pair)
