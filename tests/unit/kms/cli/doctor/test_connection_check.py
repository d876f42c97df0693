"""The way to the API, where nobody has to answer."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hallmark_client import Profile
from kms.cli.doctor.connection_check import check_connection, check_identity_file
from kms.cli.doctor.finding import Level
from kms.core.identity import Role
from kms.server.local_ca import LocalAuthority

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    authority = LocalAuthority(tmp_path_factory.mktemp("home"), trust_domain="hallmark.local", now=NOW)
    folder: Path = authority.ensure_clients()[Role.AUDITOR]
    cert_pem, key_pem = ((folder / name).read_bytes() for name in ("cert.pem", "key.pem"))
    return Profile(address="localhost:1", ca_pem=authority.pem, cert_pem=cert_pem, key_pem=key_pem)


@pytest.mark.parametrize("address", ["kms", "kms:", ":7443", "kms:port", "kms:-1", ""])
def test_what_is_no_address(profile: Profile, address: str) -> None:
    (finding,) = check_connection(dataclasses.replace(profile, address=address), NOW)
    assert (finding.check, finding.level) == ("api", Level.PROBLEM)
    assert "HOST:PORT" in finding.advice


def test_a_certificate_is_looked_at_where_there_is_one(profile: Profile) -> None:
    (finding,) = check_identity_file(profile, NOW)
    assert (finding.check, finding.level) == ("client-certificate", Level.OK)
    with_token = Profile(address=profile.address, ca_pem=profile.ca_pem, token=lambda: "token")
    assert list(check_identity_file(with_token, NOW)) == []
