"""Consents and leases over the wire: a phone attests, is given a lease, and loses it when the person takes it back."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hallmark.v1 import common_pb2, consent_pb2, consent_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_client.wire.consents import receipt_of
from rpc.wire import PARENT, channel, credentials, fresh_id, refused
from support.service import RunningService

CONTROLLER = "https://bank.example"
ARTIFACT = f"{PARENT}/artifacts/{hashlib.sha256(b'weights').hexdigest()}"
PUBLISHED = common_pb2.LOG_WAIT_PUBLISHED
Stub = consent_pb2_grpc.ConsentServiceStub


@dataclass(frozen=True)
class Phone:
    """An attested one, with calls in its own name."""

    name: str
    consents: Stub


@pytest.fixture
def consents(service: RunningService) -> Iterator[Stub]:
    with channel(service, "backend") as opened:
        yield Stub(opened)


@pytest.fixture
def phone(service: RunningService, tmp_path: Path) -> Iterator[Phone]:
    folder = tmp_path / "phone"
    with service.client("backend") as backend:
        challenge = backend.devices.create_challenge()
        key = service.phone.generate_key(challenge.challenge)
        unsigned = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        request = unsigned.sign(key.private_key, hashes.SHA256()).public_bytes(Encoding.DER)
        chain = [part.data for part in key.evidence.parts]
        answer = backend.devices.attest(challenge.name, chain, certificate_request=request)
    assert answer.device is not None
    assert answer.certificate is not None
    shutil.copytree(service.home / "clients" / "device", folder)
    certificate = x509.load_der_x509_certificate(answer.certificate.certificate)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    with grpc.secure_channel(str(service.facts["address"]), credentials(folder)) as opened:
        yield Phone(answer.device.name, Stub(opened))


def asked(**fields: Any) -> consent_pb2.GrantConsentRequest:
    return consent_pb2.GrantConsentRequest(
        **{
            "parent": PARENT,
            "subject": fresh_id(),
            "controller": CONTROLLER,
            "purposes": ["dpv:FraudPreventionAndDetection"],
            "artifacts": [{"artifact": ARTIFACT, "kind": consent_pb2.ARTIFACT_KIND_MODEL_WEIGHTS}],
            "request_id": fresh_id(),
            **fields,
        }
    )


def test_the_whole_life(service: RunningService, consents: Stub, phone: Phone) -> None:
    granted = consents.GrantConsent(asked(devices=[phone.name], log_wait=PUBLISHED), timeout=20)
    name = granted.consent.name
    assert granted.log.tlog_proof
    (lease,) = consents.ListLeases(consent_pb2.ListLeasesRequest(parent=PARENT, consent=name), timeout=20).leases
    assert (lease.device, lease.artifact, lease.live) == (phone.name, ARTIFACT, True)
    assert lease.status.uri.startswith(str(service.facts["public_url"]))
    renewed = consents.RenewConsent(consent_pb2.RenewConsentRequest(name=name, request_id=fresh_id()), timeout=20)
    assert (renewed.consent.state, renewed.consent.revision) == (consent_pb2.CONSENT_STATE_RENEWED, 2)
    found = consents.GetConsent(consent_pb2.GetConsentRequest(name=name), timeout=20)
    assert found == renewed.consent
    request = consent_pb2.WithdrawConsentRequest(name=name, request_id=fresh_id(), reason="moved away")
    withdrawn = consents.WithdrawConsent(request, timeout=20)
    assert withdrawn.consent.state == consent_pb2.CONSENT_STATE_WITHDRAWN
    assert (withdrawn.deadline.seconds - withdrawn.consent.end_time.seconds) == 86400
    assert len(withdrawn.removals) == 1
    (lease,) = consents.ListLeases(consent_pb2.ListLeasesRequest(parent=PARENT, device=phone.name), timeout=20).leases
    assert not lease.live
    again = consents.WithdrawConsent(request, timeout=20)
    assert (again.replayed, again.removals) == (True, withdrawn.removals)


def test_a_device_acquires_its_own_lease(consents: Stub, phone: Phone) -> None:
    name = consents.GrantConsent(asked(), timeout=20).consent.name
    request = consent_pb2.AcquireLeaseRequest(consent=name, artifact=ARTIFACT, request_id=fresh_id())
    lease = phone.consents.AcquireLease(request, timeout=20)
    assert (lease.device, lease.revision) == (phone.name, 1)
    assert phone.consents.AcquireLease(request, timeout=20) == lease
    for call, message in (
        (phone.consents.GetConsent, consent_pb2.GetConsentRequest(name=name)),
        (phone.consents.ListLeases, consent_pb2.ListLeasesRequest(parent=PARENT)),
        (phone.consents.WithdrawConsent, consent_pb2.WithdrawConsentRequest(name=name, request_id=fresh_id())),
    ):
        assert refused(call, message).reason == "ROLE_NOT_ALLOWED"


def test_a_device_that_is_not_attested_gets_none(service: RunningService, consents: Stub) -> None:
    name = consents.GrantConsent(asked(), timeout=20).consent.name
    with channel(service, "device") as opened:
        request = consent_pb2.AcquireLeaseRequest(consent=name, artifact=ARTIFACT, request_id=fresh_id())
        refusal = refused(Stub(opened).AcquireLease, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")


def test_somebody_else_revokes_it(service: RunningService, consents: Stub, phone: Phone) -> None:
    name = consents.GrantConsent(asked(devices=[phone.name]), timeout=20).consent.name
    with channel(service) as opened:
        revoke = revocation_pb2.RevokeRequest(
            subject=name, reason=revocation_pb2.REVOCATION_REASON_POLICY_VIOLATION, request_id=fresh_id()
        )
        event = revocation_pb2_grpc.RevocationServiceStub(opened).Revoke(revoke, timeout=20).event
    assert "consent-status-change" in next(iter(json.loads(event.payload)["events"]))
    found = consents.GetConsent(consent_pb2.GetConsentRequest(name=name), timeout=20)
    assert found.state == consent_pb2.CONSENT_STATE_REVOKED
    request = consent_pb2.RenewConsentRequest(name=name, request_id=fresh_id())
    assert refused(consents.RenewConsent, request).reason == "STATE_TRANSITION_INVALID"


def test_the_receipt_verifies_offline(service: RunningService, consents: Stub) -> None:
    name = consents.GrantConsent(asked(withdrawal_method="https://bank.example/withdraw"), timeout=20).consent.name
    receipt = receipt_of(consents.GetConsentReceipt(consent_pb2.GetConsentReceiptRequest(name=name), timeout=20))
    with service.client("auditor") as auditor:
        key = auditor.keys.public_key("tenants/system/keys/revocation-events")
    receipt.verify({key.name: key.composite()}, consent=name)
    assert receipt.record["pii_processing"][0]["purposes"] == ["https://w3id.org/dpv#FraudPreventionAndDetection"]
    assert "https://bank.example/withdraw" in receipt.html


def test_consents_of_a_person(consents: Stub) -> None:
    person = fresh_id()
    names = [consents.GrantConsent(asked(subject=person), timeout=20).consent.name for _ in range(3)]
    request = consent_pb2.ListConsentsRequest(parent=PARENT, subject=person, controller=CONTROLLER, page_size=2)
    first = consents.ListConsents(request, timeout=20)
    request.page_token = first.next_page_token
    rest = consents.ListConsents(request, timeout=20)
    assert [each.name for each in (*first.consents, *rest.consents)] == names


def test_a_mistake_names_its_field(consents: Stub) -> None:
    refusal = refused(consents.GrantConsent, asked(purposes=["marketing"]))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert refusal.details["BadRequest"].field_violations[0].field == "purposes"
