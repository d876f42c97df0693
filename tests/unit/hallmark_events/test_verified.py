import json
from dataclasses import replace

import pytest

from hallmark_events.batch import BatchPath, BatchTree, verify_batch
from hallmark_events.canonical import canonical_json
from hallmark_events.errors import EventInvalid, KeyUnknown, ProofInvalid, ProofMissing, SignatureInvalid
from hallmark_events.trust import LogEvidence, Signature
from hallmark_events.types import EVENT_CONTEXT, HEARTBEAT_CONTEXT, LEASE_GRANTED, MANIFEST_CONTEXT, StatusValue
from hallmark_events.verified import EventEvidence
from hallmark_tlog.entry import parse_entry
from hallmark_tlog.errors import QuorumNotReached
from hallmark_tlog.merkle import leaf_hash
from unit.hallmark_events.events_world import (
    KEY_VERSION,
    OTHER_KEY,
    batched,
    event,
    log_entry,
    logged,
    logged_payload,
    sign,
    signed_evidence,
    verifier,
)
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA

VALID, INVALID, SUSPENDED = StatusValue.VALID, StatusValue.INVALID, StatusValue.SUSPENDED
REVOKED = event(1, "artifacts/a", INVALID)
RESUMED = event(2, "artifacts/a", VALID)
LEASE = event(3, "leases/l", VALID, uri=LEASE_GRANTED)


def test_a_restriction_is_obeyed_on_its_signature() -> None:
    fact = verifier().verify_event(REVOKED.data, EventEvidence(signature=sign(REVOKED.data)), before=VALID)
    assert fact.event == REVOKED
    assert (fact.signed_by, fact.logged) == (KEY_VERSION, None)


def test_what_widens_needs_the_log() -> None:
    with pytest.raises(ProofMissing):
        verifier().verify_event(RESUMED, signed_evidence(RESUMED, proved=False), before=SUSPENDED)
    fact = verifier().verify_event(RESUMED, signed_evidence(RESUMED), before=SUSPENDED)
    assert fact.logged is not None
    assert fact.logged.proof.index == 2


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        (Signature(key_version="tenants/system/keys/other/versions/1", signature=b""), KeyUnknown),
        (sign(REVOKED.data, key=OTHER_KEY), SignatureInvalid),
        (sign(REVOKED.data, HEARTBEAT_CONTEXT), SignatureInvalid),
        (sign(RESUMED.data, EVENT_CONTEXT), SignatureInvalid),
        (Signature(key_version=KEY_VERSION, signature=b""), SignatureInvalid),
        (None, SignatureInvalid),
    ],
    ids=["unknown key", "other key", "other context", "other event", "empty", "none"],
)
def test_an_event_that_nobody_trusted_signed(signature, error) -> None:
    with pytest.raises(error):
        verifier().verify_event(REVOKED, EventEvidence(signature=signature), before=None)


def test_the_proof_is_of_this_event_in_a_log_of_the_policy() -> None:
    for log in (
        logged_payload(REVOKED.data),
        replace(
            logged_payload(RESUMED.data),
            entry=log_entry("artifact.changed", {"payload_sha256": RESUMED.sha256, "x": 1}),
        ),
        LogEvidence(b"{}", logged_payload(RESUMED.data).tlog_proof),
        LogEvidence(logged_payload(RESUMED.data).entry, b"no proof"),
        logged(b"no entry"),
    ):
        with pytest.raises(ProofInvalid):
            verifier().verify_event(RESUMED, EventEvidence(signature=sign(RESUMED.data), log=log), before=SUSPENDED)


def test_without_the_quorum_of_witnesses_nothing_is_permitted() -> None:
    evidence = EventEvidence(signature=sign(RESUMED.data), log=logged_payload(RESUMED.data, witnessed=False))
    with pytest.raises(ProofInvalid) as caught:
        verifier().verify_event(RESUMED, evidence, before=SUSPENDED)
    assert isinstance(caught.value.__cause__, QuorumNotReached)


def test_the_keys_of_a_log_may_stand_for_a_policy() -> None:
    evidence = EventEvidence(signature=sign(RESUMED.data), log=logged_payload(RESUMED.data, witnessed=False))
    assert verifier(log_policy=(LOG_ED25519.vkey,)).verify_event(RESUMED, evidence, before=SUSPENDED).logged
    with pytest.raises(ProofInvalid):
        verifier(log_policy=(LOG_ML_DSA.vkey,)).verify_event(RESUMED, evidence, before=SUSPENDED)


def test_a_lease_stands_on_its_batch() -> None:
    fact = verifier().verify_event(LEASE, batched(LEASE), before=VALID)
    assert fact.signed_by is None
    assert fact.logged is not None
    assert fact.logged.entry.event_type == "leases.issued"


def test_a_place_in_another_batch_is_refused() -> None:
    good = batched(LEASE)
    assert good.batch is not None
    entry = log_entry("leases.issued", {"root_sha256": "00" * 32, "tree_size": 6})
    wrong_type = log_entry("leases.other", parse_entry(good.log.entry).details)
    for evidence in (
        replace(good, log=LogEvidence()),
        replace(good, log=logged(entry)),
        replace(good, log=logged(wrong_type)),
        replace(good, batch=replace(good.batch, leaf_index=2)),
        replace(good, batch=replace(good.batch, leaf_index=9)),
        replace(good, batch=replace(good.batch, tree_size=8)),  # its path has the same shape, and the same root
        replace(good, batch=replace(good.batch, path=good.batch.path[1:])),
        batched(RESUMED),
    ):
        with pytest.raises((ProofInvalid, ProofMissing)):
            verifier().verify_event(LEASE, evidence, before=None)


def test_a_signature_and_a_batch_are_one_too_many() -> None:
    with pytest.raises(SignatureInvalid):
        verifier().verify_event(LEASE, replace(batched(LEASE), signature=sign(LEASE.data)), before=None)


def test_events_of_others_are_refused() -> None:
    evidence = EventEvidence(signature=sign(REVOKED.data))
    for other in ({"issuer": "https://other.example"}, {"parent": "tenants/acm"}):
        with pytest.raises(EventInvalid):
            verifier(**other).verify_event(REVOKED, evidence, before=None)
    assert verifier(issuer=None, parent=None).verify_event(REVOKED, evidence, before=None)


def test_a_proof_among_the_entries_of_another_tenant_is_refused() -> None:
    """The auditor of the event's tenant would not find it there."""
    other = {"tenant": "other", "subject": "tenants/other"}
    entry = canonical_json(
        {**json.loads(log_entry("artifact.status-set", {"payload_sha256": RESUMED.sha256})), **other}
    )
    evidence = EventEvidence(signature=sign(RESUMED.data), log=logged(entry))
    with pytest.raises(ProofInvalid, match="another tenant"):
        verifier().verify_event(RESUMED, evidence, before=SUSPENDED)
    good = batched(LEASE)
    entry = canonical_json({**json.loads(good.log.entry), **other})
    with pytest.raises(ProofInvalid, match="another tenant"):
        verifier().verify_event(LEASE, replace(good, log=logged(entry)), before=None)


def test_an_inner_node_of_a_batch_is_no_event() -> None:
    """Leaves and nodes are hashed with different first bytes (RFC 9162, section 2.1.1): no second preimage."""
    tree = BatchTree([b"first", LEASE.data, b"third"])
    node = leaf_hash(b"first") + leaf_hash(LEASE.data)
    with pytest.raises(ProofInvalid):
        verify_batch(node, BatchPath(0, 2, (leaf_hash(b"third"),)), tree.root)
    verify_batch(LEASE.data, tree.path(1), tree.root)
    with pytest.raises(ProofInvalid):
        verify_batch(LEASE.data, replace(tree.path(1), tree_size=2), tree.root)


def test_a_key_version_of_others_and_another_context_are_refused() -> None:
    name = "tenants/acme/keys/mine/versions/1"
    evidence = EventEvidence(signature=replace(sign(REVOKED.data, key=OTHER_KEY), key_version=name))
    with pytest.raises(KeyUnknown):
        verifier().verify_event(REVOKED, evidence, before=None)
    for context in (HEARTBEAT_CONTEXT, MANIFEST_CONTEXT, b""):
        with pytest.raises(SignatureInvalid):
            verifier().verify_event(REVOKED, EventEvidence(signature=sign(REVOKED.data, context)), before=None)
