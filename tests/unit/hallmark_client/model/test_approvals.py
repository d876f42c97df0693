import dataclasses
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hallmark_client import Client, ProfileInvalid, Proposal, ProposedAct, VerificationFailed
from hallmark_client.testing.transport import InMemoryTransport


@pytest.fixture
def proposal(client) -> Proposal:
    return client.approvals.propose(
        "POLICY_CHANGE", "tenants/default", reason="naïve “quotes”", parameters_sha256=bytes(32)
    )


def test_what_is_signed_is_what_is_shown(proposal: Proposal) -> None:
    assert proposal.message_to_sign() == b"hallmark/approval/v1\n" + proposal.payload
    assert "naïve “quotes”".encode() in proposal.payload


@pytest.mark.parametrize(
    "change",
    [
        {"name": "tenants/default/proposals/0"},
        {"act": ProposedAct.EXPORT},
        {"subject": "tenants/default/keys/x"},
        {"parameters_sha256": b""},
        {"reason": "harmless"},
        {"proposer": "spiffe://hallmark.local/tenants/default/admin/x"},
        {"approvals_needed": 2},
        {"payload": b"{}"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_nobody_signs_what_they_were_not_shown(client, proposal: Proposal, change: dict) -> None:
    with pytest.raises(VerificationFailed) as refused:
        client.approvals.approve(dataclasses.replace(proposal, **change))
    assert refused.value.reason == "PROPOSAL_INVALID"


@pytest.mark.parametrize("field", ["create_time", "expire_time"])
def test_times_are_signed_too(proposal: Proposal, field: str) -> None:
    moved = dataclasses.replace(proposal, **{field: getattr(proposal, field) + timedelta(microseconds=1)})
    with pytest.raises(VerificationFailed):
        moved.message_to_sign()


def _pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "key_pem",
    [None, b"", b"nonsense", _pem(ec.generate_private_key(ec.SECP384R1())), _pem(ed25519.Ed25519PrivateKey.generate())],
)
def test_without_a_p256_key_nothing_is_approved(fake, proposal: Proposal, key_pem: bytes | None) -> None:
    with (
        Client.over(InMemoryTransport(fake, "admin"), key_pem=key_pem) as other,
        pytest.raises(ProfileInvalid) as refused,
    ):
        other.approvals.approve(proposal)
    assert refused.value.reason == "APPROVAL_KEY_UNUSABLE"
    assert not fake.requests("ApproveProposal")


def test_the_fake_asks_for_as_many_as_it_is_told(fake, client, connect) -> None:
    fake.require_approvals(2)
    proposal = client.approvals.propose("DESTROY", "telemetry/versions/1")
    assert proposal.approvals_needed == 2
    assert connect(name="bob").approvals.approve(proposal).state == "OPEN"
    assert connect(name="carol").approvals.approve(proposal).state == "APPROVED"
