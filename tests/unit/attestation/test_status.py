import json
from datetime import UTC, datetime, timedelta

import pytest

from attestation import ArgumentError, CollateralError, parse_status_list
from attestation.status import CertificateStatus
from attestation.testing import status_list

THEN = datetime(2026, 11, 1, tzinfo=UTC)


def entry(status: str = "REVOKED") -> dict[str, str]:
    return {"status": status, "reason": "KEY_COMPROMISE"}


def parse(document: object):
    return parse_status_list(json.dumps(document).encode(), fetched_at=THEN)


def test_both_statuses_are_kept_apart():
    found = parse({"entries": {"ab": entry(), "cd": entry("SUSPENDED") | {"comment": "x", "expires": "2030-01-01"}}})
    assert found.find("ab").status is CertificateStatus.REVOKED
    assert found.find("cd").status is CertificateStatus.SUSPENDED
    assert found.find("cd").cause == "KEY_COMPROMISE"
    assert found.find("ef") is None


def test_digits_are_hex():
    found = parse({"entries": {"6681152659205225093": entry()}})
    assert found.find("6681152659205225093") is not None
    assert found.find(f"{6681152659205225093:x}") is None


def test_case_and_leading_zeros_are_forgiven_on_the_safe_side():
    assert parse({"entries": {"00AB": entry()}}).find("ab") is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"entries": []}',
        b'{"entries": {"xyz": {"status": "REVOKED"}}}',
        b'{"entries": {"": {"status": "REVOKED"}}}',
        b'{"entries": {"0": {"status": "REVOKED"}}}',
        b'{"entries": {"ab": {"status": "GOOD"}}}',
        b'{"entries": {"ab": {"status": ["REVOKED"]}}}',
        b'{"entries": {"ab": "REVOKED"}}',
        b'{"entries": {"ab": {}}}',
        b'{"entries": {"ab": {"status": "REVOKED"}, "ab": {"status": "SUSPENDED"}}}',
        b"[" * 100_000,
        b'{"entries": {"' + b"a" * 65 + b'": {"status": "REVOKED"}}}',
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
def test_malformed_lists_are_an_error_of_their_own(data):
    with pytest.raises(CollateralError):
        parse_status_list(data, fetched_at=THEN)


def test_size_is_bounded():
    with pytest.raises(CollateralError, match="at most"):
        parse_status_list(bytes(16 * 1024 * 1024 + 1), fetched_at=THEN)


def test_a_time_without_zone_is_the_callers_mistake():
    with pytest.raises(ArgumentError):
        parse_status_list(b'{"entries": {}}', fetched_at=datetime(2026, 1, 1))


def test_freshness_has_two_ends():
    day = timedelta(days=1)
    listed = status_list({}, fetched_at=THEN)
    assert listed.fresh(at=THEN, max_age=day)
    assert listed.fresh(at=THEN + day, max_age=day)
    assert not listed.fresh(at=THEN + day + timedelta(seconds=1), max_age=day)
    assert listed.fresh(at=THEN - timedelta(minutes=5), max_age=day)
    assert not listed.fresh(at=THEN - timedelta(minutes=6), max_age=day)


def test_the_entries_cannot_be_changed():
    with pytest.raises(TypeError):
        status_list({}, fetched_at=THEN).entries["ab"] = None
