"""One virtual vendor and one good phone for all unit tests of attestation."""

from datetime import UTC, datetime

import pytest

from attestation.testing import VirtualPhone, VirtualVendor

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def vendor() -> VirtualVendor:
    return VirtualVendor.create(now=NOW)


@pytest.fixture(scope="session")
def phone(vendor) -> VirtualPhone:
    return VirtualPhone.create(vendor, now=NOW)
