"""Releases over the wire, with signer processes: made known, keys given to attested phones, taken back."""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from hallmark.v1 import common_pb2, consent_pb2, releases_pb2, releases_pb2_grpc
from hallmark_client import Client
from hallmark_client.wire.releases import artifact_key_of
from hallmark_tlog.entry import parse_entry
from rpc.releases.phones import Phone
from rpc.wire import PARENT, channel, credentials, fresh_id, fresh_name, refused
from support.service import RunningService

NONCE = bytes(range(24))
Stub = releases_pb2_grpc.ReleaseServiceStub


@pytest.fixture
def backend(service: RunningService) -> Iterator[Stub]:
    with channel(service, "backend") as opened:
        yield Stub(opened)


@pytest.fixture
def admin(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def phone(service: RunningService, tmp_path: Path) -> Phone:
    return Phone(service, tmp_path / "phone")


@pytest.fixture
def device(service: RunningService, phone: Phone) -> Iterator[Stub]:
    with grpc.secure_channel(str(service.facts["address"]), credentials(phone.folder)) as opened:
        yield Stub(opened)


class ContentKeys:
    """plaintext: of the newest."""

    def __init__(self, admin: Client) -> None:
        self._admin = admin
        self._name = fresh_name("content")
        admin.keys.create(self._name, algorithm="HPKE-MLKEM768-X25519", purpose="ENVELOPE")
        self.plaintext = b""

    def sealed(self, model: str, epoch: int) -> dict[str, Any]:
        """The fields that say how it is sealed."""
        info = self._admin.releases.content_key_info(model, version=f"1.{epoch}", epoch=epoch)
        made = self._admin.envelopes.data_key(self._name, info=info)
        self.plaintext = made.plaintext
        return {
            "key_version": made.key_version,
            "content_key_envelope": made.envelope,
            "content_key_info": info,
        }


@pytest.fixture
def keys(admin: Client) -> ContentKeys:
    return ContentKeys(admin)


def wanted(keys: ContentKeys, model: str, epoch: int, **more: Any) -> releases_pb2.CreateReleaseRequest:
    return releases_pb2.CreateReleaseRequest(
        parent=PARENT,
        model=f"{PARENT}/models/{model}",
        version=f"1.{epoch}",
        epoch=epoch,
        kind=consent_pb2.ARTIFACT_KIND_LORA_ADAPTER,
        statement_sha256=hashlib.sha256(uuid.uuid4().bytes).digest(),
        index_sha256=hashlib.sha256(b"index").digest(),
        request_id=fresh_id(),
        **keys.sealed(model, epoch),
        **more,
    )


def asking(artifact: str, **more: Any) -> releases_pb2.RequestArtifactKeyRequest:
    return releases_pb2.RequestArtifactKeyRequest(
        **{"artifact": artifact, "nonce": NONCE, "request_id": fresh_id(), **more}
    )


def test_from_the_release_to_the_key_on_the_phone(backend: Stub, device: Stub, phone: Phone, keys: ContentKeys) -> None:
    made = backend.CreateRelease(
        wanted(keys, fresh_name("model"), 3, log_wait=common_pb2.LOG_WAIT_PUBLISHED), timeout=20
    )
    assert made.log.tlog_proof, "the answer brings the proof"
    assert parse_entry(made.log.entry).details["epoch"] == 3
    release = backend.GetRelease(releases_pb2.GetReleaseRequest(name=made.release.name), timeout=20)
    assert release == made.release
    asked = asking(release.artifact, log_wait=common_pb2.LOG_WAIT_PUBLISHED)
    answer = device.RequestArtifactKey(asked, timeout=20)
    assert answer.log.tlog_proof
    assert phone.name not in json.dumps(json.loads(answer.log.entry))
    opened = artifact_key_of(answer).open(
        phone.hpke, artifact=release.artifact, device=phone.name, epoch=3, nonce=NONCE
    )
    assert bytes(opened) == keys.plaintext
    assert device.RequestArtifactKey(asked, timeout=20).envelope == answer.envelope


def test_lists_are_read_page_by_page(backend: Stub, keys: ContentKeys) -> None:
    model = fresh_name("model")
    names = [backend.CreateRelease(wanted(keys, model, epoch), timeout=20).release.name for epoch in (1, 2, 3)]
    found, token = [], ""
    while True:
        page = backend.ListReleases(
            releases_pb2.ListReleasesRequest(
                parent=PARENT, model=f"{PARENT}/models/{model}", page_size=2, page_token=token
            ),
            timeout=20,
        )
        found += [each.name for each in page.releases]
        token = page.next_page_token
        if not token:
            break
    assert found == names[::-1]


def test_who_may_not_is_told_so(backend: Stub, device: Stub, service: RunningService, keys: ContentKeys) -> None:
    request = wanted(keys, fresh_name("model"), 1)
    made = backend.CreateRelease(request, timeout=20).release
    assert refused(device.CreateRelease, request).code is grpc.StatusCode.PERMISSION_DENIED
    for call in (
        (device.GetRelease, releases_pb2.GetReleaseRequest(name=made.name)),
        (device.ListReleases, releases_pb2.ListReleasesRequest(parent=PARENT)),
        (backend.RequestArtifactKey, asking(made.artifact)),
    ):
        assert refused(*call).code is grpc.StatusCode.PERMISSION_DENIED
    with channel(service, "device") as opened:
        found = refused(Stub(opened).RequestArtifactKey, asking(made.artifact))
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
    nowhere, elsewhere = asking(f"{PARENT}/artifacts/{'ab' * 32}"), asking(f"tenants/other/artifacts/{'ab' * 32}")
    said = [refused(device.RequestArtifactKey, each) for each in (nowhere, elsewhere)]
    assert {(each.code, each.reason) for each in said} == {(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")}


def test_a_revocation_closes_it_and_names_the_phone(
    backend: Stub, device: Stub, phone: Phone, admin: Client, keys: ContentKeys
) -> None:
    made = backend.CreateRelease(wanted(keys, fresh_name("model"), 1), timeout=20).release
    asked = asking(made.artifact)
    device.RequestArtifactKey(asked, timeout=20)
    admin.revocations.revoke(made.artifact, reason="KEY_COMPROMISE")
    for request in (asked, asking(made.artifact)):
        assert refused(device.RequestArtifactKey, request).reason == "ARTIFACT_REVOKED"
    shown = backend.GetRelease(releases_pb2.GetReleaseRequest(name=made.name), timeout=20)
    assert shown.state == releases_pb2.Release.REVOKED
    deadline = time.monotonic() + 30
    while not (removals := list(admin.removals.list(device=phone.name))):
        assert time.monotonic() < deadline, "the phone holds the key, and is asked to delete it"
        time.sleep(0.2)
    assert [each.artifact for each in removals] == [made.artifact]


def test_a_withdrawal_closes_it(backend: Stub, device: Stub, phone: Phone, admin: Client, keys: ContentKeys) -> None:
    made = backend.CreateRelease(wanted(keys, fresh_name("model"), 1, requires_consent=True), timeout=20).release
    assert refused(device.RequestArtifactKey, asking(made.artifact)).reason == "LEASE_REQUIRED"
    consent = admin.consents.grant(
        "alice", controller="https://bank.example", purposes=["dpv:ServiceProvision"], artifacts=[made.artifact]
    ).consent.name
    asked = asking(made.artifact, consent=consent)
    answer = device.RequestArtifactKey(asked, timeout=20)
    assert (answer.lease.consent, answer.lease.device, answer.lease.live) == (consent, phone.name, True)
    withdrawal = admin.consents.withdraw(consent)
    assert refused(device.RequestArtifactKey, asked).reason == "LEASE_REQUIRED"
    assert len(withdrawal.removals) == 1


def test_an_audit_chain_is_anchored(device: Stub, phone: Phone) -> None:
    def anchor(size: int, head: bytes) -> releases_pb2.AnchorDeviceAuditRequest:
        return releases_pb2.AnchorDeviceAuditRequest(device=phone.name, size=size, head=head, request_id=fresh_id())

    heads = [hashlib.sha256(bytes([number])).digest() for number in range(3)]
    answer = device.AnchorDeviceAudit(anchor(5, heads[0]), timeout=20)
    assert parse_entry(answer.log.entry).details == {"head": heads[0].hex(), "size": 5}
    device.AnchorDeviceAudit(anchor(6, heads[1]), timeout=20)
    for size, head in ((5, heads[0]), (6, heads[2])):
        found = refused(device.AnchorDeviceAudit, anchor(size, head))
        assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "AUDIT_DIVERGED")
    stranger = releases_pb2.AnchorDeviceAuditRequest(
        device=f"{PARENT}/devices/{uuid.uuid4()}", size=7, head=heads[2], request_id=fresh_id()
    )
    assert refused(device.AnchorDeviceAudit, stranger).code is grpc.StatusCode.NOT_FOUND
