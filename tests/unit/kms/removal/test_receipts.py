"""Receipts of grades A0 and A1: what is taken, and every way in which one is refused without losing anything."""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hallmark.v1 import removal_pb2
from hallmark_client.errors import VerificationFailed
from hallmark_client.model.removals import RECEIPT_CONTEXT
from hallmark_client.wire.removals import receipt_argument, removal_of
from hallmark_events.canonical import canonical_json
from hallmark_events.event_set import EventSet
from hallmark_events.types import DELETION_COMPLETED, DELETION_REQUESTED, StatusValue
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason, ServiceError
from kms.core.names import ChildName
from kms.events.model import Priority
from kms.removal.model import Removal, RemovalState
from unit.kms.removal.bench import Holder, RemovalBench


@pytest.fixture
async def holder(bench: RemovalBench) -> Holder:
    return await bench.enrol()


@pytest.fixture
async def removal(bench: RemovalBench, holder: Holder) -> Removal:
    made = await bench.withdraw(holder.name)
    bench.advance(timedelta(minutes=5))
    return made


async def test_an_unsigned_receipt_is_a0(bench: RemovalBench, removal: Removal) -> None:
    answer = await bench.submit(removal, await bench.receipt(removal))
    assert (answer.removal.state, answer.removal.grade) == (
        removal_pb2.REMOVAL_STATE_DELETED,
        removal_pb2.RECEIPT_GRADE_A0,
    )
    assert not answer.replayed


async def test_a_signed_receipt_is_a1_countersigned_and_logged(
    bench: RemovalBench, holder: Holder, removal: Removal
) -> None:
    receipt = await bench.receipt(removal, sign=holder.sign)
    answer = await bench.submit(removal, receipt)
    assert answer.removal.grade == removal_pb2.RECEIPT_GRADE_A1
    found = removal_of(answer.removal).receipt
    assert found is not None
    assert (found.set, found.signature) == (receipt.set, receipt.signature)
    signer = found.countersignature.key_version
    trusted = {signer: bench.base.service.public_key}
    found.verify(trusted, str(removal.name))
    with pytest.raises(VerificationFailed):
        found.verify(trusted, str(removal.device))
    (entry,) = await bench.logged("removal.completed")
    assert entry["id"] == found.log.event_key
    assert entry["details"]["grade"] == "A1"
    assert entry["details"]["receipt_sha256"] == hashlib.sha256(receipt.set).hexdigest()
    assert entry["details"]["countersigned_sha256"] == hashlib.sha256(found.countersigned).hexdigest()


async def test_the_command_is_closed_in_the_feed(bench: RemovalBench, removal: Removal) -> None:
    await bench.submit(removal, await bench.receipt(removal))
    asked, done = await bench.feed(removal.device)
    found = EventSet.parse(done.payload)
    assert (EventSet.parse(asked.payload).uri, found.uri) == (DELETION_REQUESTED, DELETION_COMPLETED)
    assert (found.subject, found.status, found.revision) == (str(removal.name), StatusValue.INVALID, 2)
    assert done.priority is Priority.INFORMATION
    assert found.own["grade"] == "A0"


async def test_a_better_grade_may_come_later_and_never_a_worse_one(
    bench: RemovalBench, holder: Holder, removal: Removal
) -> None:
    await bench.submit(removal, await bench.receipt(removal))
    first_time = (await bench.removal(removal.name)).receipt_time
    bench.advance(timedelta(minutes=1))
    better = await bench.submit(removal, await bench.receipt(removal, sign=holder.sign))
    assert better.removal.grade == removal_pb2.RECEIPT_GRADE_A1
    assert better.removal.receipt.grade == removal_pb2.RECEIPT_GRADE_A1
    assert (await bench.removal(removal.name)).receipt_time == first_time
    assert len(await bench.feed(removal.device)) == 2, "the command was closed before"
    for worse in (await bench.receipt(removal), await bench.receipt(removal, sign=holder.sign)):
        with pytest.raises(FailedPrecondition) as refused:
            await bench.submit(removal, worse)
        assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
    kept = await bench.parts.servicer.reader.get(removal.name)
    assert kept.receipt is not None
    assert kept.receipt.set == better.removal.receipt.set


async def test_the_same_call_and_the_same_receipt_are_answered_again(bench: RemovalBench, removal: Removal) -> None:
    receipt, request_id = await bench.receipt(removal), str(uuid.uuid4())
    first = await bench.submit(removal, receipt, request_id=request_id)
    again = await bench.submit(removal, receipt, request_id=request_id)
    other = await bench.submit(removal, receipt)
    assert (again.replayed, other.replayed) == (True, True)
    assert again.removal == other.removal == first.removal
    assert len(await bench.logged("removal.completed")) == 1
    with pytest.raises(AlreadyExists):
        await bench.submit(removal, await bench.receipt(removal), request_id=request_id)


async def test_a_receipt_is_of_ones_own_removal_only(bench: RemovalBench, removal: Removal) -> None:
    """A device learns nothing about the removals of others: the answer is that of a removal that does not exist."""
    other = await bench.enrol()
    receipt = await bench.receipt(removal)
    for who in (other.name, ChildName("default", "devices", str(uuid.uuid4()))):
        with pytest.raises(NotFound) as refused:
            await bench.submit(removal, receipt, device=who)
        assert str(refused.value) == f"{removal.name} was not found"
    operator = removal_pb2.SubmitDeletionReceiptRequest(
        removal=str(removal.name), receipt=receipt_argument(receipt), request_id=str(uuid.uuid4())
    )
    with pytest.raises(NotFound):
        await bench.parts.servicer.SubmitDeletionReceipt(operator, bench.call("SubmitDeletionReceipt"))


def changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The set with another claim, spelled canonically."""
    claims = json.loads(data)
    change(claims)
    return canonical_json(claims)


def own(claims: dict[str, Any]) -> dict[str, Any]:
    (event,) = claims["events"].values()
    found: dict[str, Any] = event["hallmark.v1"]
    return found


OTHER = "0193b3f0-0000-7000-8000-00000000ffff"
FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another nonce": lambda claims: own(claims).update(nonce="A" * 43 + "="),
    "no nonce": lambda claims: own(claims).pop("nonce"),
    "another artifact": lambda claims: own(claims).update(artifact=f"tenants/default/artifacts/{'cd' * 32}"),
    "another request": lambda claims: own(claims).update(request_jti=OTHER),
    "another removal": lambda claims: own(claims).update(removal=f"tenants/default/removals/{OTHER}"),
    "another consent": lambda claims: own(claims).update(consent=""),
    "another method": lambda claims: own(claims).update(method="unlink"),
    "the epoch stands still": lambda claims: own(claims).update(epoch_after=own(claims)["epoch_before"]),
    "the epoch goes back": lambda claims: own(claims).update(epoch_before=9),
    "an epoch that is true": lambda claims: own(claims).update(epoch_before=0, epoch_after=True),
    "a negative epoch": lambda claims: own(claims).update(epoch_before=-1),
    "a short audit head": lambda claims: own(claims).update(audit_head="ab"),
    "a boot id that is none": lambda claims: own(claims).update(boot_id="1"),
    "a time that is none": lambda claims: own(claims).update(device_time="yesterday"),
    "a member more": lambda claims: own(claims).update(more=1),
    "another device": lambda claims: claims.update(iss=f"tenants/default/devices/{OTHER}"),
    "another status": lambda claims: own(claims).update(status="VALID"),
    "another revision": lambda claims: own(claims).update(revision=3),
    "another type": lambda claims: claims.update(events={DELETION_REQUESTED: next(iter(claims["events"].values()))}),
    "an expiry": lambda claims: claims.update(exp=1),
}


async def test_a_forged_receipt_is_refused_and_nothing_is_lost(
    bench: RemovalBench, holder: Holder, removal: Removal
) -> None:
    """Also when the device has signed it itself."""
    good = await bench.receipt(removal, sign=holder.sign)
    for what, change in FORGED.items():
        data = changed(good.set, change)
        forged = removal_pb2.DeletionReceipt(set=data, signature=holder.sign(RECEIPT_CONTEXT + data))
        with pytest.raises(InvalidArgument) as refused:
            await bench.submit(removal, forged)
        assert refused.value.field == "receipt.set", what
        assert (refused.value.reason is Reason.CHALLENGE_MISMATCH) is (what == "another nonce"), what
        assert await bench.removal(removal.name) == removal, what
    assert await bench.logged("removal.completed") == []
    await bench.submit(removal, good)


async def test_bytes_that_are_cut_or_spelled_otherwise_are_refused(bench: RemovalBench, removal: Removal) -> None:
    good = (await bench.receipt(removal)).set
    spelled = json.dumps(json.loads(good)).encode()
    for data in (b"", good[:-1], good[: len(good) // 2], good + b" ", spelled, b"{}", bytes(9000)):
        with pytest.raises(InvalidArgument):
            await bench.submit(removal, removal_pb2.DeletionReceipt(set=data))
    assert await bench.state(removal) is RemovalState.ISSUED


async def test_the_key_of_another_device_is_refused(bench: RemovalBench, holder: Holder, removal: Removal) -> None:
    other = await bench.enrol()
    for sign in (other.sign, lambda message: holder.sign(message + b" "), lambda _: b"\x30\x00", lambda _: bytes(9000)):
        with pytest.raises(InvalidArgument) as refused:
            await bench.submit(removal, await bench.receipt(removal, sign=sign))
        assert refused.value.field == "receipt.signature"
    assert await bench.state(removal) is RemovalState.ISSUED


async def test_a_receipt_of_an_earlier_command_does_not_fit_the_next(
    bench: RemovalBench, holder: Holder, removal: Removal
) -> None:
    """The same device and artifact: the nonce tells them apart."""
    old = await bench.receipt(removal, sign=holder.sign)
    await bench.submit(removal, old)
    again = await bench.withdraw(holder.name)
    with pytest.raises(ServiceError):
        await bench.submit(again, old)
    assert await bench.state(again) is RemovalState.ISSUED


async def test_what_the_caller_says_of_its_own_grade_is_not_looked_at(bench: RemovalBench, removal: Removal) -> None:
    message = receipt_argument(await bench.receipt(removal))
    message.grade = removal_pb2.RECEIPT_GRADE_A2
    message.countersigned = b"{}"
    answer = await bench.submit(removal, message)
    assert answer.removal.receipt.grade == removal_pb2.RECEIPT_GRADE_A0
    assert answer.removal.receipt.countersigned != b"{}"
