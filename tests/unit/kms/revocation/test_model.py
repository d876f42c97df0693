from datetime import UTC, datetime, timedelta

import pytest

from kms.core.errors import InvalidArgument, Reason
from kms.core.identity import Role
from kms.core.names import ChildName, KeyName, KeyVersionName
from kms.events.model import InitiatingEntity
from kms.revocation.model import effective_from, parse_subject
from support.clock import START

DEVICE = "0190c2a4-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("tenants/default/keys/manifest", KeyName("default", "manifest")),
        ("tenants/default/keys/manifest/versions/2", KeyVersionName("default", "manifest", 2)),
        (f"tenants/default/devices/{DEVICE}", ChildName("default", "devices", DEVICE)),
        # Keys may be called like collections.
        ("tenants/keys/keys/devices", KeyName("keys", "devices")),
        ("tenants/devices/keys/devices/versions/1", KeyVersionName("devices", "devices", 1)),
        ("tenants/t/keys/versions", KeyName("t", "versions")),
    ],
)
def test_subjects(text: str, subject: object) -> None:
    assert parse_subject(text) == subject
    assert str(parse_subject(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tenants",
        "tenants/default",
        "tenants/default/keys",
        "tenants/default/keys/",
        "tenants/default/keys/UPPER",
        "tenants/default/keys/manifest/versions/0",
        "tenants/default/devices/manifest",
        f"tenants/default/challenges/{DEVICE}",
        "tenants/default/policies/0",
        "tenants/default/artifacts/ab",
        f"tenants/default/devices/{DEVICE}/",
        "tenants/default/keys/manifest\n",
        "tenants/default/keys/" + "a" * 600,
    ],
)
def test_what_is_no_subject(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_subject(text)
    assert refused.value.reason is Reason.NAME_INVALID


def test_effective_time() -> None:
    assert effective_from(None, START) == START
    assert effective_from(START - timedelta(days=30), START) == START - timedelta(days=30)
    assert effective_from(START + timedelta(seconds=60), START) == START, "a clock may be a minute ahead"


@pytest.mark.parametrize("asked", [START + timedelta(seconds=61), datetime(1999, 12, 31, tzinfo=UTC)])
def test_effective_time_out_of_bounds(asked: datetime) -> None:
    with pytest.raises(InvalidArgument) as refused:
        effective_from(asked, START)
    assert refused.value.field == "effective_time"


def test_who_began_it() -> None:
    assert {role: InitiatingEntity.of(role) for role in Role} == {
        Role.ADMIN: InitiatingEntity.ADMIN,
        Role.BACKEND: InitiatingEntity.SYSTEM,
        Role.AUDITOR: InitiatingEntity.SYSTEM,
        Role.DEVICE: InitiatingEntity.USER,
        Role.EDGE: InitiatingEntity.SYSTEM,
    }
