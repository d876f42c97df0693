import dataclasses

import pytest

from hallmark_client import VerificationFailed
from hallmark_client.testing import FakeService
from hallmark_tlog.vkey import parse_vkey


@pytest.fixture
def promise(client):
    client.keys.create("manifest")
    return client.signing.sign("manifest", b"weights", wait="published").log


def _flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def test_a_proof_holds_with_text_or_parsed_keys(fake, promise) -> None:
    fact = promise.verify(fake.verifier_keys, fake.origin)
    assert promise.verify([parse_vkey(key) for key in fake.verifier_keys], fake.origin) == fact
    assert (fact.origin, fact.leaf_index, fact.leaf_hash) == (fake.origin, 1, promise.leaf_hash)
    assert promise.verify(fake.verifier_keys[:1], fake.origin) == fact
    assert promise.verify(fake.verifier_keys[1:], fake.origin) == fact


@pytest.mark.parametrize("changed", ["entry", "leaf_hash", "both", "proof", "keys", "no keys", "bad key", "origin"])
def test_nothing_may_change(fake, promise, changed: str) -> None:
    keys, origin = fake.verifier_keys, fake.origin
    match changed:
        case "entry":
            promise = dataclasses.replace(promise, entry=promise.entry + b" ")
        case "leaf_hash":
            promise = dataclasses.replace(promise, leaf_hash=_flip(promise.leaf_hash, 0))
        case "both":
            from hallmark_tlog.merkle import leaf_hash

            promise = dataclasses.replace(promise, entry=b"{}", leaf_hash=leaf_hash(b"{}"))
        case "proof":
            promise = dataclasses.replace(promise, tlog_proof=promise.tlog_proof.replace(b"index 1", b"index 0"))
        case "keys":
            keys = FakeService().verifier_keys
        case "no keys":
            keys = ()
        case "bad key":
            keys = ("not a vkey",)
        case "origin":
            origin = "example.com/other"
    with pytest.raises(VerificationFailed) as refused:
        promise.verify(keys, origin)
    assert refused.value.reason == "PROOF_INVALID"
    assert refused.value.grpc_code is None


def test_every_byte_before_the_signatures_counts(fake, promise) -> None:
    """Not every one after it: a line of an unknown signer is allowed, and one good line of the log is enough."""
    for position in range(promise.tlog_proof.index("\N{EM DASH}".encode())):
        with pytest.raises(VerificationFailed):
            dataclasses.replace(promise, tlog_proof=_flip(promise.tlog_proof, position)).verify(
                fake.verifier_keys, fake.origin
            )


def test_a_promise_without_proof_says_what_to_do(fake, promise) -> None:
    with pytest.raises(VerificationFailed, match="inclusion_proof") as refused:
        dataclasses.replace(promise, tlog_proof=b"").verify(fake.verifier_keys, fake.origin)
    assert refused.value.reason == "PROOF_MISSING"


@pytest.mark.parametrize("field", ["size", "root_hash", "origin", "note"])
def test_a_checkpoint_must_say_what_its_note_says(fake, client, promise, field: str) -> None:
    checkpoint = client.log.checkpoint()
    assert checkpoint.verify(fake.verifier_keys, fake.origin) is checkpoint
    other = {"size": 1, "root_hash": bytes(32), "origin": "x", "note": checkpoint.note[:-30]}
    with pytest.raises(VerificationFailed) as refused:
        dataclasses.replace(checkpoint, **{field: other[field]}).verify(fake.verifier_keys, fake.origin)
    assert refused.value.reason == "CHECKPOINT_INVALID"


def test_inclusion_needs_the_right_path_and_the_right_tree(client, promise) -> None:
    checkpoint = client.log.checkpoint()
    proof = client.log.inclusion_proof(leaf_index=1)
    assert proof.verify(checkpoint).leaf_index == 1
    wrong = [
        dataclasses.replace(proof, leaf_index=0),
        dataclasses.replace(proof, hashes=()),
        dataclasses.replace(proof, hashes=(bytes(31),)),
        dataclasses.replace(proof, entry=b"other"),
        dataclasses.replace(proof, tree_size=3),
    ]
    for each in wrong:
        with pytest.raises(VerificationFailed) as refused:
            each.verify(checkpoint)
        assert refused.value.reason == "PROOF_INVALID"


def test_consistency_needs_both_checkpoints(client, promise) -> None:
    old = client.log.checkpoint()
    for number in range(5):
        client.signing.sign("manifest", bytes([number]), wait="published")
    new = client.log.checkpoint()
    proof = client.log.consistency_proof(old.size)
    proof.verify(old, new)
    for each, first, second in (
        (proof, new, old),
        (dataclasses.replace(proof, hashes=proof.hashes[:-1]), old, new),
        (proof, dataclasses.replace(old, root_hash=bytes(32)), new),
        (proof, old, dataclasses.replace(new, root_hash=bytes(32))),
    ):
        with pytest.raises(VerificationFailed):
            each.verify(first, second)
