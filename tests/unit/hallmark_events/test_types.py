import pytest

from hallmark_events.types import (
    ARTIFACT_REVOKED,
    ARTIFACT_STATUS_CHANGE,
    ARTIFACT_SUPERSEDED,
    ASSURANCE_LEVEL_CHANGE,
    CONSENT_STATUS_CHANGE,
    CREDENTIAL_CHANGE,
    DELETION_COMPLETED,
    DELETION_REQUESTED,
    KEY_ROTATED,
    LEASE_GRANTED,
    Priority,
    StatusValue,
    is_terminal,
    kind_of,
    priority_of,
    widens,
)
from unit.hallmark_events.events_world import event

VALID, INVALID, SUSPENDED = StatusValue.VALID, StatusValue.INVALID, StatusValue.SUSPENDED


@pytest.mark.parametrize(
    ("uri", "subject", "status", "before", "expected"),
    [
        (CREDENTIAL_CHANGE, "keys/k", INVALID, None, False),
        (CREDENTIAL_CHANGE, "keys/k", INVALID, VALID, False),
        (ARTIFACT_STATUS_CHANGE, "artifacts/a", SUSPENDED, VALID, False),
        (ARTIFACT_STATUS_CHANGE, "artifacts/a", VALID, SUSPENDED, True),
        (ARTIFACT_STATUS_CHANGE, "artifacts/a", VALID, None, True),
        (ARTIFACT_SUPERSEDED, "models/m", VALID, None, False),
        (ARTIFACT_SUPERSEDED, "models/m", VALID, SUSPENDED, True),
        (KEY_ROTATED, "keys/k", VALID, VALID, False),
        (KEY_ROTATED, "keys/k", VALID, INVALID, True),
        (CONSENT_STATUS_CHANGE, "consents/c", VALID, VALID, True),
        (LEASE_GRANTED, "leases/l", VALID, VALID, True),
        (ASSURANCE_LEVEL_CHANGE, "devices/d", VALID, None, True),
        # A type that grants nothing does not grant what only exists by its grant.
        (KEY_ROTATED, "leases/l", VALID, None, True),
        (KEY_ROTATED, "anchors/a", VALID, None, True),
    ],
)
def test_what_widens(uri, subject, status, before, expected) -> None:
    assert widens(event(1, subject, status, uri=uri), before) is expected


def test_the_end_is_terminal_and_a_suspension_is_not() -> None:
    assert is_terminal(INVALID)
    assert not is_terminal(SUSPENDED)


def test_the_collection_of_a_name() -> None:
    assert kind_of("tenants/acme/keys/k/versions/2") == "keys"
    assert kind_of("tenants/acme") == ""
    assert kind_of("urn:x") == ""


@pytest.mark.parametrize(
    ("uri", "status", "expected"),
    [
        (ARTIFACT_REVOKED, INVALID, Priority.URGENT),
        (DELETION_REQUESTED, VALID, Priority.URGENT),
        (DELETION_COMPLETED, INVALID, Priority.INFORMATION),
        (LEASE_GRANTED, VALID, Priority.LEASE),
        (KEY_ROTATED, VALID, Priority.INFORMATION),
    ],
)
def test_what_goes_first(uri, status, expected) -> None:
    assert priority_of(uri, status) is expected
