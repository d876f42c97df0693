"""Revocation events as plain values."""

import dataclasses
from datetime import UTC, datetime

from hallmark_client.model.enums import AssuranceLevel, RevocationReason
from hallmark_client.model.revocations import AssuranceChange, VerifiedEvent

NOW = datetime(2026, 11, 21, tzinfo=UTC)
REVOKED = VerifiedEvent(
    key_version="tenants/system/keys/revocation-events/versions/1",
    name="tenants/t/revocations/1",
    subject="tenants/t/devices/1",
    reason=RevocationReason.KEY_COMPROMISE,
    event_time=NOW,
    effective_time=NOW,
)


def test_a_change_of_assurance_has_no_reason() -> None:
    change = AssuranceChange(
        current_level=AssuranceLevel.UNKNOWN, previous_level=AssuranceLevel.UNKNOWN, verdict="tenants/t/verdicts/1"
    )
    document = dataclasses.replace(REVOKED, reason=RevocationReason.UNKNOWN, assurance=change).to_dict()
    assert "reason" not in document
    assert document["assurance"]["verdict"] == "tenants/t/verdicts/1"


def test_a_revocation_has_one() -> None:
    assert REVOKED.to_dict()["reason"] == "KEY_COMPROMISE"
