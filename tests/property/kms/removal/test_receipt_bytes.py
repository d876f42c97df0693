"""Whatever bytes come as a receipt or as a TPM's statement: the own error, or what was meant."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import EvidenceError
from attestation.tpm_nv import parse_nv_public, parse_nv_statement
from hallmark_client.removals import deletion_receipt
from hallmark_events.canonical import canonical_json
from kms.core.errors import InvalidArgument
from kms.core.names import ChildName, DigestName
from kms.events.model import InitiatingEntity
from kms.events.payload import event_payload
from kms.removal.model import Removal, RemovalState
from kms.removal.payload import Command, requested_draft
from kms.removal.receipts import read_receipt

NOW = datetime(2026, 11, 22, tzinfo=UTC)
REMOVAL = Removal(
    name=ChildName("default", "removals", "0193b3f0-0000-7000-8000-000000000001"),
    device=ChildName("default", "devices", "3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e"),
    artifact=DigestName("default", "artifacts", "ab" * 32),
    consent=None,
    state=RemovalState.ISSUED,
    nonce=bytes(range(32)),
    effective_time=NOW,
    deadline=NOW,
    issue_time=NOW,
)
COMMAND = Command(
    device=REMOVAL.device,
    artifact=REMOVAL.artifact,
    consent=None,
    deadline=NOW,
    effective_time=NOW,
    initiating_entity=InitiatingEntity.ADMIN,
    transaction_id=None,
)
REQUEST = event_payload(requested_draft(COMMAND, REMOVAL.name, REMOVAL.nonce, now=NOW), issuer="spiffe://t/server")
GOOD = deletion_receipt(
    REQUEST,
    device=str(REMOVAL.device),
    jti="0193b3f0-0000-7000-8000-000000000002",
    epoch_before=1,
    epoch_after=2,
    audit_head=bytes(32),
    boot_id="1f0a5d8e-2b63-4d0e-9d5b-0f4c7f5f3f11",
    device_time=NOW,
).set

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))


def _read(data: bytes) -> bool:
    try:
        read_receipt(data, REMOVAL)
    except InvalidArgument:
        return False
    return True


def test_the_good_one_is_read() -> None:
    facts = read_receipt(GOOD, REMOVAL)
    assert (facts.epoch_before, facts.epoch_after, facts.device_time) == (1, 2, NOW)


@given(data=st.binary(max_size=200))
def test_foreign_bytes(data: bytes) -> None:
    assert not _read(data)


@given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen_where_it_matters(at: int, bit: int) -> None:
    """Other spellings are refused; what may differ (ids, times, epochs, boot) reads as another receipt, never as this."""
    data = bytearray(GOOD)
    data[at] ^= 1 << bit
    if _read(bytes(data)):
        assert read_receipt(bytes(data), REMOVAL) != read_receipt(GOOD, REMOVAL) or _is_free(bytes(data))


@given(member=st.sampled_from(sorted(next(iter(json.loads(GOOD)["events"].values()))["hallmark.v1"])), value=values)
def test_any_value_in_any_member(member: str, value: Any) -> None:
    claims = json.loads(GOOD)
    (event,) = claims["events"].values()
    before = event["hallmark.v1"][member]
    event["hallmark.v1"][member] = value
    try:
        data = canonical_json(claims)
    except ValueError:
        return
    fixed = {"removal", "request_jti", "artifact", "consent", "method", "nonce", "subject", "status", "revision"}
    if member in fixed and value != before:
        assert not _read(data)
    else:
        _read(data)


@given(data=st.binary(max_size=200))
def test_bytes_of_no_tpm(data: bytes) -> None:
    for parse in (parse_nv_statement, parse_nv_public):
        for piece in (data, bytes.fromhex("ff5443478014") + data, bytes.fromhex("01800001000b") + data):
            try:
                parse(piece)
            except EvidenceError:
                continue


def _is_free(data: bytes) -> bool:
    """The change lies in what a device says of itself and the service does not look at: the envelope's times and txn."""
    told, good = json.loads(data), json.loads(GOOD)
    (event,), (right,) = told["events"].values(), good["events"].values()
    fixed = ("removal", "request_jti", "artifact", "consent", "method", "nonce")
    return all(event["hallmark.v1"][name] == right["hallmark.v1"][name] for name in fixed)
