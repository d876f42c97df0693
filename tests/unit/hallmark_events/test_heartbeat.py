from dataclasses import replace
from datetime import timedelta

import pytest

from hallmark_events.batch import BatchTree
from hallmark_events.errors import EventInvalid, KeyUnknown, ProofInvalid, SignatureInvalid, Stale
from hallmark_events.heartbeat import FeedHead, HeartbeatEvidence, encode_leaf, encode_payload
from hallmark_events.types import EVENT_CONTEXT, HEARTBEAT_CONTEXT
from unit.hallmark_events.events_world import EPOCH, ISSUER, PARENT, START, sign, verifier

NONCE = b"n" * 32
HEADS = {
    "device": FeedHead(epoch=EPOCH, sequence=3, state_digest=b"d" * 32),
    "global": FeedHead(epoch=EPOCH, sequence=9, state_digest=b"g" * 32),
}


def beat(*, leaf: bytes | None = None, context: bytes = HEARTBEAT_CONTEXT, **payload) -> HeartbeatEvidence:
    leaf = encode_leaf(parent=PARENT, nonce=NONCE, feeds=HEADS) if leaf is None else leaf
    tree = BatchTree([b"of another", leaf, b"of a third"])
    told = {"issuer": ISSUER, "root": tree.root, "size": 3, "server_time": START, **payload}
    data = encode_payload(**told)
    return HeartbeatEvidence(payload=data, signature=sign(data, context), leaf=leaf, path=tree.path(1))


def test_a_heartbeat_tells_what_the_server_holds_for_us() -> None:
    fact = verifier().verify_heartbeat(beat(), nonce=NONCE, parent=PARENT)
    assert fact.server_time == START
    assert fact.feeds == HEADS
    assert fact.issuer == ISSUER


@pytest.mark.parametrize(("nonce", "parent"), [(b"m" * 32, PARENT), (NONCE, "tenants/other")])
def test_one_for_another_caller_is_a_replay(nonce, parent) -> None:
    with pytest.raises(Stale):
        verifier().verify_heartbeat(beat(), nonce=nonce, parent=parent)


def test_what_was_not_signed_is_refused() -> None:
    good = beat()
    later = encode_payload(issuer=ISSUER, root=bytes(32), size=3, server_time=START + timedelta(hours=1))
    foreign = encode_leaf(parent=PARENT, nonce=b"m" * 32, feeds={})
    for evidence, error in (
        (replace(good, payload=later), SignatureInvalid),
        (beat(context=EVENT_CONTEXT), SignatureInvalid),
        (replace(good, signature=replace(good.signature, key_version="other")), KeyUnknown),
        (replace(good, leaf=foreign), ProofInvalid),
        (replace(good, path=replace(good.path, leaf_index=0)), ProofInvalid),
        (replace(good, path=replace(good.path, tree_size=4)), ProofInvalid),
        (beat(size=4), ProofInvalid),
        (beat(root=b"short"), ProofInvalid),
    ):
        with pytest.raises(error):
            verifier().verify_heartbeat(evidence, nonce=NONCE, parent=PARENT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"epoch":"00', b'"epoch":"0'),
        (b'"sequence":3', b'"sequence":-3'),
        (b'"sequence":3', b'"sequence":true'),
        (b'"device"', b'"rooms"'),
        (b'"feeds"', b'"fees"'),
        (b'"nonce":"', b'"nonce":"!'),
    ],
)
def test_a_leaf_that_says_something_else_is_refused(old, new) -> None:
    leaf = encode_leaf(parent=PARENT, nonce=NONCE, feeds=HEADS)
    assert old in leaf
    with pytest.raises(EventInvalid):
        verifier().verify_heartbeat(beat(leaf=leaf.replace(old, new)), nonce=NONCE, parent=PARENT)


def test_a_heartbeat_of_another_service_is_refused() -> None:
    with pytest.raises(EventInvalid):
        verifier().verify_heartbeat(beat(issuer="https://other.example"), nonce=NONCE, parent=PARENT)
