import contextlib
import time
import uuid

import pytest

from hallmark_client import Client, InclusionProof, InvalidArgument, NotFound, VerificationFailed
from hallmark_tlog.merkle import leaf_hash


@pytest.fixture
def key(admin: Client) -> str:
    return admin.keys.create(f"key-{uuid.uuid4().hex[:12]}").name


@pytest.fixture
def auditor(client_under_test) -> Client:
    return client_under_test("auditor")


def published_proof(client: Client, event_key: str) -> InclusionProof:
    """The proof, once a checkpoint covers the entry: within a few seconds."""
    for _ in range(100):
        with contextlib.suppress(NotFound):
            return client.log.inclusion_proof(event_key=event_key)
        time.sleep(0.1)
    raise AssertionError(f"{event_key} was not published")


def test_every_act_is_promised(admin: Client, key: str) -> None:
    signed = admin.signing.sign(key, b"weights")
    revoked = admin.revocations.revoke(key, "SUPERSEDED")
    for promise in (signed.log, revoked.log):
        assert promise.leaf_hash == leaf_hash(promise.entry)
        assert promise.event_key
    assert signed.log.event_key != revoked.log.event_key


def test_a_published_act_proves_itself(admin: Client, key: str) -> None:
    identity = admin.capabilities().log
    promise = admin.signing.sign(key, b"weights", wait="published").log
    fact = promise.verify(identity.verifier_keys, identity.origin)
    assert fact.leaf_index == promise.leaf_index
    assert fact.leaf_hash == promise.leaf_hash
    assert fact.tree_size > fact.leaf_index


def test_every_kind_of_act_can_wait_for_its_proof(server, admin: Client) -> None:
    identity = admin.capabilities().log
    name = f"key-{uuid.uuid4().hex[:12]}"
    challenge = admin.devices.create_challenge()
    certificates, _ = server.attest(challenge.challenge)
    promises = [
        admin.keys.create(name, wait="published").log,
        admin.keys.rotate(name, wait="published").log,
        admin.devices.attest(challenge.name, certificates, wait="published").log,
        admin.revocations.revoke(name, "SUPERSEDED", wait="published").log,
    ]
    for promise in promises:
        assert promise is not None
        promise.verify(identity.verifier_keys, identity.origin)


def test_a_proof_holds_for_its_own_log_only(admin: Client, key: str) -> None:
    identity = admin.capabilities().log
    promise = admin.signing.sign(key, b"weights", wait="published").log
    with pytest.raises(VerificationFailed):
        promise.verify(identity.verifier_keys, "another.example/log")


def test_a_promise_without_proof_says_so(admin: Client, key: str) -> None:
    identity = admin.capabilities().log
    promise = admin.signing.sign(key, b"weights", wait="committed").log
    if promise.tlog_proof:
        pytest.skip("published before the answer left")
    with pytest.raises(VerificationFailed) as refused:
        promise.verify(identity.verifier_keys, identity.origin)
    assert refused.value.reason == "PROOF_MISSING"


def test_inclusion_can_be_asked_for_later(admin: Client, auditor: Client, key: str) -> None:
    identity = auditor.capabilities().log
    promise = admin.signing.sign(key, b"weights").log
    proof = published_proof(auditor, promise.event_key)
    assert (proof.entry, proof.leaf_hash) == (promise.entry, promise.leaf_hash)
    checkpoint = auditor.log.checkpoint().verify(identity.verifier_keys, identity.origin)
    by_index = auditor.log.inclusion_proof(leaf_index=proof.leaf_index, tree_size=checkpoint.size)
    assert by_index.verify(checkpoint).leaf_index == proof.leaf_index


def test_the_log_only_grows(admin: Client, auditor: Client, key: str) -> None:
    identity = auditor.capabilities().log
    admin.signing.sign(key, b"one", wait="published")
    old = auditor.log.checkpoint().verify(identity.verifier_keys, identity.origin)
    for message in (b"two", b"three", b"four"):
        admin.signing.sign(key, message, wait="published")
    new = auditor.log.checkpoint().verify(identity.verifier_keys, identity.origin)
    assert new.size >= old.size + 3
    fact = auditor.log.consistency_proof(old.size, new.size).verify(old, new)
    assert (fact.old_size, fact.new_size) == (old.size, new.size)


def test_what_the_log_does_not_have_is_not_found(auditor: Client, admin: Client, key: str) -> None:
    admin.signing.sign(key, b"one", wait="published")
    for ask in ({"event_key": str(uuid.uuid4())}, {"leaf_index": 10**9}):
        with pytest.raises(NotFound) as refused:
            auditor.log.inclusion_proof(**ask)
        assert refused.value.reason == "LOG_ENTRY_NOT_FOUND"


def test_a_size_that_never_was_is_refused(auditor: Client) -> None:
    with pytest.raises(InvalidArgument) as refused:
        auditor.log.consistency_proof(1, 10**9)
    assert refused.value.reason == "TREE_SIZE_UNKNOWN"
