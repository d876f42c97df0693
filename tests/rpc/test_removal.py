"""Removals over the wire: a device is asked, hears of it in its own feed, and gives receipts over its own certificate."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hallmark.v1 import common_pb2, events_pb2, events_pb2_grpc, removal_pb2, removal_pb2_grpc
from hallmark_client import Client
from hallmark_client.model.removals import DeletionReceipt
from hallmark_client.removals import deletion_receipt
from hallmark_client.system import System
from hallmark_client.wire.removals import receipt_argument, removal_of, report_of
from kms.core.clock import SystemClock
from rpc.test_gated_keys import Phone
from rpc.wire import PARENT, channel, credentials, fresh_id, refused
from support.service import RunningService

DEVICE = events_pb2.FEED_DEVICE


class Holder:
    """A phone with its own certificate, and stubs over it."""

    def __init__(self, service: RunningService, folder: Path, opened: grpc.Channel, name: str) -> None:
        self.name = name
        self.removals = removal_pb2_grpc.RemovalServiceStub(opened)
        self.events = events_pb2_grpc.EventServiceStub(opened)
        key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.key = key
        self.service = service

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def command(self, removal: str) -> bytes:
        """The event that asks for it, from the device's own feed."""
        start = [events_pb2.FeedStart(feed=DEVICE)]
        request = events_pb2.PollEventsRequest(parent=PARENT, feeds=start, return_immediately=True)
        frames = self.events.PollEvents(request, timeout=20).sets
        (found,) = (frame.event.set for frame in frames if removal.encode() in frame.event.set)
        return found

    def receipt(self, removal: str, *, signed: bool) -> DeletionReceipt:
        return deletion_receipt(
            self.command(removal),
            device=self.name,
            jti=System().request_id(),
            epoch_before=1,
            epoch_after=2,
            audit_head=hashlib.sha256(b"the device's own log").digest(),
            boot_id=str(uuid.uuid4()),
            device_time=SystemClock().now(),
            sign=self.sign if signed else None,
        )

    def acknowledge(self, removal: str) -> None:
        request = events_pb2.AcknowledgeEventsRequest(parent=PARENT, ack=[removal.rpartition("/")[2]])
        self.events.AcknowledgeEvents(request, timeout=20)


def _submission(removal: str, receipt: DeletionReceipt) -> removal_pb2.SubmitDeletionReceiptRequest:
    return removal_pb2.SubmitDeletionReceiptRequest(
        removal=removal,
        receipt=receipt_argument(receipt),
        request_id=fresh_id(),
        log_wait=common_pb2.LOG_WAIT_PUBLISHED,
    )


def _artifact() -> str:
    return f"{PARENT}/artifacts/{hashlib.sha256(fresh_id().encode()).hexdigest()}"


@pytest.fixture
def backend(service: RunningService) -> Iterator[removal_pb2_grpc.RemovalServiceStub]:
    with channel(service, "backend") as opened:
        yield removal_pb2_grpc.RemovalServiceStub(opened)


@pytest.fixture
def auditor(service: RunningService) -> Iterator[removal_pb2_grpc.RemovalServiceStub]:
    with channel(service, "auditor") as opened:
        yield removal_pb2_grpc.RemovalServiceStub(opened)


@pytest.fixture
def holder(service: RunningService, tmp_path: Path) -> Iterator[Holder]:
    phone = Phone(service, tmp_path / "phone")
    with grpc.secure_channel(str(service.facts["address"]), credentials(tmp_path / "phone")) as opened:
        yield Holder(service, tmp_path / "phone", opened, phone.name)


@pytest.fixture
def admin(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client


def _ask(backend: removal_pb2_grpc.RemovalServiceStub, holder: Holder) -> removal_pb2.Removal:
    request = removal_pb2.RequestDeletionRequest(device=holder.name, artifact=_artifact(), request_id=fresh_id())
    return backend.RequestDeletion(request, timeout=20)


def test_from_the_command_to_the_countersigned_receipt(backend, auditor, holder: Holder, admin: Client) -> None:
    asked = _ask(backend, holder)
    assert asked.state == removal_pb2.REMOVAL_STATE_ISSUED
    receipt = holder.receipt(asked.name, signed=True)
    holder.acknowledge(asked.name)
    between = auditor.GetRemoval(removal_pb2.GetRemovalRequest(name=asked.name), timeout=20)
    assert between.state == removal_pb2.REMOVAL_STATE_ACKNOWLEDGED
    answer = holder.removals.SubmitDeletionReceipt(_submission(asked.name, receipt), timeout=20)
    found = removal_of(answer.removal)
    assert (found.state, found.grade) == ("DELETED", "A1")
    assert found.receipt is not None
    assert found.receipt.countersignature is not None
    assert found.receipt.log is not None
    signer = found.receipt.countersignature.key_version
    found.receipt.verify({signer: admin.keys.public_key(signer).composite()}, asked.name)
    assert found.receipt.log.tlog_proof, "the answer brings the proof"
    kept = auditor.GetRemoval(removal_pb2.GetRemovalRequest(name=asked.name), timeout=20)
    assert kept.receipt.set == receipt.set


def test_a_device_gives_receipts_for_its_own_removals_only(
    backend, service: RunningService, holder: Holder, tmp_path: Path
) -> None:
    asked = _ask(backend, holder)
    submission = _submission(asked.name, holder.receipt(asked.name, signed=True))
    other = Phone(service, tmp_path / "other")
    address = str(service.facts["address"])
    with grpc.secure_channel(address, credentials(tmp_path / "other")) as opened:
        found = refused(removal_pb2_grpc.RemovalServiceStub(opened).SubmitDeletionReceipt, submission)
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND"), other.name
    assert refused(backend.SubmitDeletionReceipt, submission).code is grpc.StatusCode.PERMISSION_DENIED
    name = removal_pb2.GetRemovalRequest(name=asked.name)
    assert refused(holder.removals.GetRemoval, name).code is grpc.StatusCode.PERMISSION_DENIED


def test_a_forged_receipt_is_refused_with_the_reason(backend, holder: Holder) -> None:
    asked, another = _ask(backend, holder), _ask(backend, holder)
    wrong = _submission(asked.name, holder.receipt(another.name, signed=True))
    found = refused(holder.removals.SubmitDeletionReceipt, wrong)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert "receipt.set" in found.message
    good = _submission(asked.name, holder.receipt(asked.name, signed=False))
    assert holder.removals.SubmitDeletionReceipt(good, timeout=20).removal.grade == removal_pb2.RECEIPT_GRADE_A0


def test_lists_and_the_report(backend, auditor, holder: Holder) -> None:
    asked = _ask(backend, holder)
    listed = auditor.ListRemovals(removal_pb2.ListRemovalsRequest(parent=PARENT, device=holder.name), timeout=20)
    assert [each.name for each in listed.removals] == [asked.name]
    report = report_of(auditor.GetRemovalReport(removal_pb2.GetRemovalReportRequest(parent=PARENT), timeout=20))
    assert sum(report.states.values()) >= 1
    assert set(report.grades) == {"A0", "A1", "A2"}
    elsewhere = removal_pb2.GetRemovalReportRequest(parent="tenants/other")
    assert refused(auditor.GetRemovalReport, elsewhere).code is grpc.StatusCode.NOT_FOUND


def test_a_withdrawal_asks_the_device_that_held_a_lease(auditor, holder: Holder, service: RunningService) -> None:
    artifact = _artifact()
    with service.client("backend") as client:
        granted = client.consents.grant(
            f"person-{fresh_id()}",
            controller="https://bank.example",
            purposes=["dpv:FraudPreventionAndDetection"],
            artifacts=[artifact],
            devices=[holder.name],
        )
        withdrawn = client.consents.withdraw(granted.consent.name)
    (name,) = withdrawn.removals
    asked = removal_of(auditor.GetRemoval(removal_pb2.GetRemovalRequest(name=name), timeout=20))
    assert (asked.device, asked.artifact, asked.consent) == (holder.name, artifact, granted.consent.name)
    assert asked.deadline == withdrawn.deadline
    assert asked.lease_end_time is not None
    assert asked.lease_end_time <= asked.deadline, "never longer than the promise"
    given = _submission(name, holder.receipt(name, signed=True))
    answer = holder.removals.SubmitDeletionReceipt(given, timeout=20)
    assert answer.removal.state == removal_pb2.REMOVAL_STATE_DELETED
    start = [events_pb2.FeedStart(feed=DEVICE)]
    request = events_pb2.PollEventsRequest(parent=PARENT, feeds=start, return_immediately=True)
    closed = [frame.event.set for frame in holder.events.PollEvents(request, timeout=20).sets if frame.event.set]
    assert any(b"deletion-completed" in each for each in closed)
