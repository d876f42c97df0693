"""What kms.revocation.subjects asks of everything that can be revoked, asked of keys and of devices."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kms.core.errors import NotFound
from kms.core.names import ChildName, KeyName
from kms.devices.revocable import RevocableDevices
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.subjects import RevocableKeys, RevocableSubject
from support.clock import START
from unit.kms.devices.bench import DeviceBench

EFFECTIVE = START - timedelta(hours=1)
MISSING = "0190c2a4-0000-7000-8000-000000000001"


@dataclass(frozen=True)
class Case:
    implementation: RevocableSubject
    existing: Subject
    missing: Subject


@pytest.fixture(params=["keys", "devices"])
async def case(bench: DeviceBench, request: pytest.FixtureRequest) -> Case:
    key = await bench.service.create_key("manifest")
    _, device = await bench.enrol()
    device_name = ChildName.parse(device.name, "devices")
    cases = {
        "keys": Case(RevocableKeys(), key.name, KeyName("default", "missing")),
        "devices": Case(RevocableDevices(), device_name, ChildName("default", "devices", MISSING)),
    }
    return cases[request.param]


def _revoke(case: Case, subject: Subject) -> Any:
    reason = RevocationReason.WITHDRAWN
    return lambda tx: case.implementation.revoke_in(tx, subject, reason=reason, effective_time=EFFECTIVE, now=START)


async def test_what_exists_is_found_and_taken_out_of_use(bench: DeviceBench, case: Case) -> None:
    database = bench.service.database
    await database.read(lambda tx: case.implementation.check_exists(tx, case.existing))
    await database.write(_revoke(case, case.existing))
    await database.read(lambda tx: case.implementation.check_exists(tx, case.existing))
    if isinstance(case.existing, KeyName):
        assert (await bench.service.keys.get(case.existing)).revoke_time == EFFECTIVE
    else:
        assert (await bench.reader.get(case.existing)).revoke_time == EFFECTIVE


async def test_what_is_missing_is_not_found(bench: DeviceBench, case: Case) -> None:
    other_kind = ChildName("default", "devices", MISSING) if isinstance(case.existing, KeyName) else KeyName("t", "a")
    for subject in (case.missing, other_kind):
        with pytest.raises(NotFound) as refused:
            await bench.service.database.read(lambda tx, name=subject: case.implementation.check_exists(tx, name))
        assert refused.value.message == f"{subject} was not found"
        with pytest.raises(NotFound):
            await bench.service.database.write(_revoke(case, subject))


async def test_credential_types_differ(bench: DeviceBench) -> None:
    key, device = KeyName("default", "k"), ChildName("default", "devices", MISSING)
    told = await bench.service.database.read(
        lambda tx: (RevocableKeys().telling(tx, key), RevocableDevices().telling(tx, device))
    )
    assert [each.members["credential_type"] for each in told] == ["signing-key", "device-key"]
