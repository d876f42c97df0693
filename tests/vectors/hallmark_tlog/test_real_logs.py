"""Slices of logs in production: a Rekor v2 entry with witnesses, a CT log of 962 million entries, a static-ct log."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hallmark_tlog.by_policy import verify_proof_by_policy
from hallmark_tlog.errors import InclusionError, NotSigned, QuorumNotReached
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import leaf_hash, verify_inclusion
from hallmark_tlog.policy import Group, Policy, PolicyLog, Witness, parse_policy
from hallmark_tlog.proof import TlogProof, verify_proof
from hallmark_tlog.reader import TileReader
from hallmark_tlog.tiles import parse_tile_path
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey


def test_a_rekor_entry_with_witnesses(tlog: Callable[[str], Path]) -> None:
    record = json.loads((tlog("real/rekor-v2-staging/alpha3-witnessed.json")).read_text(encoding="utf-8"))
    public = load_der_public_key(base64.b64decode(record["log_public_key_spki_b64"]))
    assert isinstance(public, Ed25519PublicKey)
    log_key = VerifierKey(record["origin"], KeyType.ED25519, public.public_bytes_raw())
    keys = [log_key, *map(parse_vkey, record["witness_vkeys"])]
    proof = TlogProof(
        index=record["index"],
        path=tuple(map(base64.b64decode, record["inclusion_path_b64"])),
        checkpoint=record["checkpoint"].encode(),
    )
    entry = base64.b64decode(record["leaf_data_b64"])
    verified = verify_proof(bytes(proof), entry, keys, origin=record["origin"], require=Require.ALL)
    checkpoint = verified.checkpoint.checkpoint
    assert (checkpoint.size, checkpoint.root) == (record["tree_size"], base64.b64decode(record["root_hash_b64"]))
    assert len(verified.checkpoint.cosigners) == len(record["witness_vkeys"])
    assert all(signer.timestamp for signer in verified.checkpoint.cosigners)
    with pytest.raises(NotSigned):
        open_checkpoint(proof.checkpoint, keys[1:])
    witnesses = tuple(Witness(key.name, key) for key in keys[1:])
    quorum = Group("both", len(witnesses), tuple(witness.name for witness in witnesses))
    policy = Policy((PolicyLog(log_key),), witnesses, (quorum,), quorum.name)
    judged = verify_proof_by_policy(proof, entry, parse_policy(str(policy)), origin=record["origin"])
    assert judged == verified
    third = Witness("third", VerifierKey("witness.example/third", KeyType.ED25519_COSIGNATURE, bytes(32)))
    with pytest.raises(QuorumNotReached):
        verify_proof_by_policy(proof, entry, Policy((PolicyLog(log_key),), (*witnesses, third), (), "third"))


def test_an_audit_path_of_a_large_ct_log(tlog: Callable[[str], Path]) -> None:
    folder = tlog("real/ct-argon2020")
    head = json.loads((folder / "get-sth.json").read_text(encoding="utf-8"))
    (entry_file,) = folder.glob("get-entries-*.json")
    (proof_file,) = folder.glob("get-proof-by-hash-*.json")
    (entry,) = json.loads(entry_file.read_text(encoding="utf-8"))["entries"]
    found = json.loads(proof_file.read_text(encoding="utf-8"))
    path = [base64.b64decode(value) for value in found["audit_path"]]
    root = base64.b64decode(head["sha256_root_hash"])
    leaf = leaf_hash(base64.b64decode(entry["leaf_input"]))
    verify_inclusion(found["leaf_index"], head["tree_size"], leaf, path, root)
    with pytest.raises(InclusionError):
        verify_inclusion(found["leaf_index"] + 1, head["tree_size"], leaf, path, root)
    with pytest.raises(InclusionError):
        verify_inclusion(found["leaf_index"], head["tree_size"] * 2, leaf, path, root)


def test_tiles_of_a_static_ct_log(tlog: Callable[[str], Path]) -> None:
    """Its tile paths and hash tiles are ours; only the encoding of its entries is CT's."""
    folder = tlog("real/sunlight-navigli2025h2")
    reader = TileReader(folder_fetcher(folder), 3 * 256 + 10)
    for path in (folder / "tile/0").rglob("*"):
        if path.is_file():
            tile = parse_tile_path(path.relative_to(folder).as_posix())
            data = path.read_bytes()
            assert tile.width * 32 == len(data)
            assert b"".join(reader.hashes(0, tile.index)) == data[: len(reader.hashes(0, tile.index)) * 32]
    partial = (folder / "tile/0/003.p/10").read_bytes()
    assert (folder / "tile/0/003").read_bytes().startswith(partial)


def merkle_tree_leaves(data: bytes) -> list[bytes]:
    """The RFC 6962 MerkleTreeLeaf of each TileLeaf (static-ct-api, "Log Entries") of a data tile."""
    leaves, at = [], 0

    def skip(size_bytes: int) -> None:
        nonlocal at
        at += size_bytes + int.from_bytes(data[at : at + size_bytes], "big")

    while at < len(data):
        start, is_precert = at, data[at + 8 : at + 10] == b"\x00\x01"
        at += 8 + 2 + (32 if is_precert else 0)
        skip(3)  # the certificate or TBSCertificate
        skip(2)  # extensions
        leaves.append(b"\x00\x00" + data[start:at])
        if is_precert:
            skip(3)  # the precertificate
        skip(2)  # fingerprints of the chain
    assert at == len(data)
    return leaves


def test_the_entries_of_a_static_ct_log_are_the_leaves_of_its_tree(tlog: Callable[[str], Path]) -> None:
    folder = tlog("real/sunlight-navigli2025h2")
    judged = 0
    for path in (folder / "tile/data").rglob("*"):
        tile = folder / "tile/0" / path.relative_to(folder / "tile/data")
        if path.is_file() and tile.is_file():
            data = path.read_bytes()
            if data.startswith(b"\x1f\x8b"):
                data = gzip.decompress(data)
            assert b"".join(map(leaf_hash, merkle_tree_leaves(data))) == tile.read_bytes()
            judged += 1
    assert judged
