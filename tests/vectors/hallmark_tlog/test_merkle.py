"""RFC 6962 proofs and reference tree of transparency-dev/merkle."""

import base64
import functools
import json
from collections.abc import Callable
from pathlib import Path

from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import ConsistencyError, InclusionError
from hallmark_tlog.merkle import leaf_hash, root_from_leaves, verify_consistency, verify_inclusion
from hallmark_tlog.prove import root_at
from hallmark_tlog.subtree import verify_subtree_consistency, verify_subtree_inclusion


def unpack(record: dict, *names: str) -> list[bytes]:
    return [base64.b64decode(record[name]) for name in names]


def proof_of(record: dict) -> list[bytes]:
    return [base64.b64decode(value) for value in record["proof"] or []]


def test_inclusion(records, refusal) -> None:
    for record in records("merkle/inclusion.jsonl"):
        leaf, root = unpack(record, "leafHash", "root")
        call = (record["leafIdx"], record["treeSize"], leaf, proof_of(record), root)
        if record["wantErr"]:
            assert refusal(InclusionError, verify_inclusion, *call), record["_src"]
        else:
            verify_inclusion(*call)


def test_consistency(records, refusal) -> None:
    for record in records("merkle/consistency.jsonl"):
        old, new = unpack(record, "root1", "root2")
        call = (record["size1"], old, record["size2"], new, proof_of(record))
        if record["wantErr"]:
            assert refusal(ConsistencyError, verify_consistency, *call), record["_src"]
        else:
            verify_consistency(*call)


def test_subtree_inclusion(records, refusal) -> None:
    for record in records("merkle/subtreeinclusion.jsonl"):
        leaf, root = unpack(record, "leafHash", "root")
        call = functools.partial(verify_subtree_inclusion, leaf=leaf, proof=proof_of(record), root=root)
        refused = refusal(InclusionError, call, record["leafIdx"], record["start"], record["end"])
        assert bool(refused) is record["wantErr"], record["_src"]


def test_subtree_consistency(records, refusal) -> None:
    for record in records("merkle/subtreeconsistency.jsonl"):
        subtree, root = unpack(record, "root1", "root2")
        call = functools.partial(verify_subtree_consistency, subtree=subtree, root=root, proof=proof_of(record))
        refused = refusal(ConsistencyError, call, record["start"], record["end"], record["size"])
        assert bool(refused) is record["wantErr"], record["_src"]


def test_the_reference_tree(tlog: Callable[[str], Path]) -> None:
    tree = json.loads((tlog("merkle/rfc6962_reference_tree.json")).read_text(encoding="utf-8"))
    levels = [[bytes.fromhex(value) for value in level] for level in tree["node_hashes_hex_by_level"]]
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in tree["leaf_inputs_hex"]]
    assert leaves == levels[0]
    growing = CompactRange()
    for size, root in enumerate(tree["root_hash_hex_by_size"]):
        assert growing.root().hex() == root
        assert root_from_leaves(leaves[:size]).hex() == root
        assert root_at(size, lambda level, index: levels[level][index]).hex() == root
        growing.extend(leaves[size : size + 1])
