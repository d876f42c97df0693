"""Receipts as a device builds them, and the service's countersignature as anybody checks it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hallmark_client import Evidence, InvalidArgument, VerificationFailed
from hallmark_client.model.removals import RECEIPT_CONTEXT, DeletionReceipt
from hallmark_client.removals import deletion_receipt
from hallmark_events.canonical import encode_base64
from hallmark_events.event_set import EventSet, encode
from hallmark_events.types import DELETION_COMPLETED, DELETION_REQUESTED, Initiator, StatusValue

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REMOVAL = "tenants/default/removals/0193b3f0-0000-7000-8000-000000000001"
DEVICE = "tenants/default/devices/3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e"
OWN = {
    "removal": REMOVAL,
    "artifact": f"tenants/default/artifacts/{'ab' * 32}",
    "consent": "",
    "deadline": "2026-11-23T12:00:00.000000Z",
    "nonce": encode_base64(bytes(range(32))),
    "method": "cryptographic-erase",
}


def request(**changes: Any) -> bytes:
    own = {name: value for name, value in {**OWN, **changes.pop("own", {})}.items() if value is not None}
    return encode(
        issuer="spiffe://hallmark.test/server",
        jti=REMOVAL.rpartition("/")[2],
        uri=changes.pop("uri", DELETION_REQUESTED),
        subject=REMOVAL,
        revision=1,
        status=StatusValue.VALID,
        event_time=NOW,
        initiating_entity=Initiator.USER,
        own=own,
    )


def receipt(event: EventSet | bytes, **changes: Any) -> DeletionReceipt:
    values: dict[str, Any] = {
        "device": DEVICE,
        "jti": "0193b3f0-0000-7000-8000-000000000002",
        "epoch_before": 7,
        "epoch_after": 8,
        "audit_head": bytes(32),
        "boot_id": "1f0a5d8e-2b63-4d0e-9d5b-0f4c7f5f3f11",
        "device_time": NOW,
    }
    return deletion_receipt(event, **{**values, **changes})


def test_a_receipt_repeats_the_command_and_says_what_was_done() -> None:
    made = receipt(request())
    found = EventSet.parse(made.set)
    assert (found.uri, found.issuer, found.subject) == (DELETION_COMPLETED, DEVICE, REMOVAL)
    assert (found.status, found.revision) == (StatusValue.INVALID, 2)
    for name in ("removal", "artifact", "consent", "nonce", "method"):
        assert found.own[name] == OWN[name]
    assert (found.own["epoch_before"], found.own["epoch_after"]) == (7, 8)
    assert found.own["request_jti"] == REMOVAL.rpartition("/")[2]
    assert (made.signature, made.evidence) == (b"", None)
    assert receipt(EventSet.parse(request())) == made


def test_what_is_signed_and_what_evidence_is_over() -> None:
    messages: list[bytes] = []
    challenges: list[bytes] = []

    def sign(message: bytes) -> bytes:
        messages.append(message)
        return b"signature"

    def prove(challenge: bytes) -> Evidence:
        challenges.append(challenge)
        return Evidence()

    made = receipt(request(), sign=sign, evidence=prove)
    assert messages == [RECEIPT_CONTEXT + made.set]
    assert [len(each) for each in challenges] == [32]
    assert made.signature == b"signature"


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        pytest.param(b"{}", {}, id="no event"),
        pytest.param(request(uri=DELETION_COMPLETED), {}, id="another event"),
        pytest.param(request(own={"nonce": None}), {}, id="no nonce"),
        pytest.param(request(), {"epoch_after": 7}, id="the epoch stands still"),
        pytest.param(request(), {"audit_head": b"short"}, id="a short audit head"),
        pytest.param(request(), {"jti": "1"}, id="no UUIDv7"),
    ],
)
def test_what_makes_no_receipt_is_refused(event: bytes, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        receipt(event, **changes)


def test_a_receipt_that_nobody_countersigned_is_not_verified() -> None:
    made = replace(receipt(request()), countersigned=json.dumps({}).encode())
    with pytest.raises(VerificationFailed) as refused:
        made.verify({}, REMOVAL)
    assert refused.value.reason == "COUNTERSIGNATURE_MISSING"
