"""Consents: recorded, renewed, taken back; receipts and leases."""

import dataclasses
import hashlib
import uuid
from datetime import timedelta

import pytest

from hallmark_client import (
    AlreadyExists,
    Client,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    VerificationFailed,
)
from hallmark_client.errors import SignatureInvalid
from hallmark_client.model.consents import (
    ArtifactKind,
    ConsentArtifact,
    ConsentChange,
    ConsentState,
    LeaseAction,
    LeaseTerms,
)

CONTROLLER = "https://bank.example"
ARTIFACT = hashlib.sha256(b"weights").hexdigest()
HOUR = timedelta(hours=1)


@pytest.fixture
def backend(server) -> Client:
    return server.client("backend")


@pytest.fixture
def device(server, backend: Client) -> str:
    """An attested one."""
    challenge = backend.devices.create_challenge()
    evidence, key_spki = server.attest(challenge.challenge)
    found = backend.devices.attest(challenge.name, evidence, key_spki=key_spki).device
    assert found is not None
    return found.name


def grant(client: Client, subject: str = "", **more) -> ConsentChange:
    return client.consents.grant(
        subject or str(uuid.uuid4()),
        controller=CONTROLLER,
        purposes=["dpv:FraudPreventionAndDetection"],
        **{"artifacts": [ARTIFACT], **more},
    )


def test_what_was_said_is_what_is_kept(backend: Client, device: str) -> None:
    terms = LeaseTerms(duration=HOUR, max_staleness=HOUR / 2, offline_grace=HOUR / 4, on_silence=LeaseAction.SHRED)
    change = grant(
        backend,
        artifacts=[ConsentArtifact(artifact=ARTIFACT, kind=ArtifactKind.MODEL_WEIGHTS)],
        devices=[device],
        validity=timedelta(days=30),
        removal_time=2 * HOUR,
        lease_terms=terms,
        lawful_basis="eu-gdpr:A6-1-a",
        withdrawal_method="Write to us",
        storage_locations=["Frankfurt"],
    )
    consent = change.consent
    assert backend.consents.get(consent.name) == consent
    assert backend.consents.get(consent.name.rpartition("/")[2]) == consent
    assert (consent.state, consent.revision, change.replayed) == (ConsentState.GIVEN, 1, False)
    assert consent.expire_time - consent.create_time == timedelta(days=30)
    assert (consent.removal_time, consent.lease_terms, consent.lawful_basis) == (2 * HOUR, terms, "eu-gdpr:A6-1-a")
    assert (consent.devices, consent.storage_locations) == ((device,), ("Frankfurt",))
    assert consent.artifacts[0].kind is ArtifactKind.MODEL_WEIGHTS
    assert b'"consent.granted"' in change.log.entry
    (lease,) = backend.consents.leases(consent=consent.name)
    assert (lease.device, lease.live, lease.expire_time - lease.not_before) == (device, True, HOUR)
    assert lease.status.uri.rpartition("/")[0].endswith("/status/default/lists")
    assert lease.to_dict()["max_staleness"] == 1800


def test_renewing_and_withdrawing(backend: Client) -> None:
    name = grant(backend).consent.name
    assert backend.consents.renew(name).consent.state is ConsentState.RENEWED
    first = backend.consents.withdraw(name, reason="moved away")
    assert (first.consent.state, first.consent.end_reason) == (ConsentState.WITHDRAWN, "moved away")
    assert first.consent.end_time is not None
    assert first.deadline == first.consent.end_time + timedelta(days=1)
    again = backend.consents.withdraw(name)
    assert (again.replayed, again.consent, again.log.entry) == (True, first.consent, first.log.entry)
    with pytest.raises(FailedPrecondition) as refused:
        backend.consents.renew(name)
    assert refused.value.reason == "STATE_TRANSITION_INVALID"


def test_a_lease_for_a_device(backend: Client, device: str) -> None:
    name = grant(backend).consent.name
    lease = backend.consents.acquire_lease(name, ARTIFACT, device=device)
    assert list(backend.consents.leases(device=device)) == [lease]
    withdrawn = backend.consents.withdraw(name)
    assert len(withdrawn.removals) == 1
    assert not next(backend.consents.leases(device=device)).live
    with pytest.raises(FailedPrecondition):
        backend.consents.acquire_lease(name, ARTIFACT, device=device)


def test_the_receipt_verifies(backend: Client) -> None:
    change = grant(backend)
    receipt, keys = backend.consents.receipt(change.consent.name), backend.consents.service_keys()
    receipt.verify(keys, consent=change.consent.name)
    assert receipt.record["pii_principal_id"] == change.consent.pii_principal_id
    assert receipt.log.event_key == change.log.event_key
    assert receipt.html.startswith("<!doctype html>")
    with pytest.raises(VerificationFailed):
        receipt.verify(keys, consent="tenants/default/consents/another")
    with pytest.raises(VerificationFailed):
        receipt.verify({})
    with pytest.raises(SignatureInvalid):
        dataclasses.replace(receipt, payload=receipt.payload + b" ").verify(keys)


def test_the_same_request_is_answered_again(backend: Client) -> None:
    request_id, person = str(uuid.uuid4()), str(uuid.uuid4())
    first = grant(backend, person, request_id=request_id)
    again = grant(backend, person, request_id=request_id)
    assert (again.consent, again.replayed) == (first.consent, True)
    with pytest.raises(AlreadyExists):
        grant(backend, "somebody else", request_id=request_id)


def test_lists_of_a_person(backend: Client) -> None:
    person = str(uuid.uuid4())
    made = [grant(backend, person).consent.name for _ in range(3)]
    backend.consents.withdraw(made[0])
    mine = {"subject": person, "controller": CONTROLLER}
    assert [each.name for each in backend.consents.list(**mine, page_size=2)] == made
    assert [each.name for each in backend.consents.list(**mine, state="withdrawn")] == made[:1]
    assert [each.name for each in backend.consents.list(**mine, state=ConsentState.GIVEN)] == made[1:]


def test_mistakes(backend: Client) -> None:
    for more in ({"artifacts": []}, {"artifacts": ["12"]}, {"removal_time": timedelta(seconds=1)}):
        with pytest.raises(InvalidArgument):
            grant(backend, **more)
    with pytest.raises(InvalidArgument):
        grant(backend, lease_terms=LeaseTerms(duration=timedelta(days=2)))
    with pytest.raises(InvalidArgument):
        next(backend.consents.list(state="over"))
    unknown = str(uuid.uuid4())
    for call in (backend.consents.get, backend.consents.renew, backend.consents.withdraw, backend.consents.receipt):
        with pytest.raises(NotFound):
            call(unknown)
    with pytest.raises(NotFound):
        grant(backend, devices=[unknown])


def test_who_may(backend: Client, server) -> None:
    name = grant(backend).consent.name
    auditor, device = server.client("auditor"), server.client("device")
    assert auditor.consents.get(name).name == name
    for call in (auditor.consents.withdraw, auditor.consents.renew, device.consents.get, device.consents.withdraw):
        with pytest.raises(PermissionDenied):
            call(name)
