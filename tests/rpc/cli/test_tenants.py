"""`hallmark tenants` against the real service."""

import json
import re
from pathlib import Path

import pytest

from kms.cli.tenant_identity import make_identity
from rpc.wire import fresh_name
from support.service import RunningService


@pytest.fixture
def tenant() -> str:
    return fresh_name("tenant")


def test_from_making_to_work_of_its_own(hallmark, service: RunningService, tenant: str) -> None:
    made = hallmark("tenants", "create", tenant, "--name", "Acme Ltd", "--keys", 1, "--rate", 500, "--identity")
    assert made.code == 0, made.err
    profile = service.home / "clients" / f"{tenant}.admin"
    assert f"hallmark keys list --profile {profile}" in made.out
    assert json.loads((profile / "profile.json").read_text())["tenant"] == tenant
    created = hallmark("keys", "create", "manifest", "--profile", profile, "--json")
    assert (created.code, created.document["name"]) == (0, f"tenants/{tenant}/keys/manifest"), created.err
    full = hallmark("keys", "create", "another", "--profile", profile, "--json")
    assert (full.code, full.document["error"]["reason"]) == (3, "QUOTA_EXCEEDED")
    shown = hallmark("tenants", "get", "--profile", profile)
    assert ("Acme Ltd" in shown.out, re.search(r"keys +1\n", shown.out) is not None) == (True, True)
    assert "Acme Ltd" in hallmark("tenants", "list").out
    theirs = hallmark("tenants", "list", "--profile", profile, "--json").document["tenants"]
    assert [each["name"] for each in theirs] == [f"tenants/{tenant}"]


def test_suspended_and_resumed(hallmark, service: RunningService, tenant: str) -> None:
    hallmark("tenants", "create", tenant, "--identity")
    profile = service.home / "clients" / f"{tenant}.admin"
    suspended = hallmark("tenants", "suspend", tenant, "--reason", "contract ended")
    assert (suspended.code, "is suspended" in suspended.out) == (0, True)
    refused = hallmark("keys", "list", "--profile", profile, "--json")
    assert (refused.code, refused.document["error"]["reason"]) == (3, "TENANT_SUSPENDED")
    assert hallmark("tenants", "get", tenant, "--json").document["reason"] == "contract ended"
    assert hallmark("tenants", "resume", tenant).code == 0
    assert hallmark("keys", "list", "--profile", profile).code == 0
    again = hallmark("tenants", "resume", tenant, "--json")
    assert (again.code, again.document["error"]["reason"]) == (3, "STATE_TRANSITION_INVALID")


def test_changes_keep_what_is_not_said(hallmark, service: RunningService, tenant: str, tmp_path: Path) -> None:
    hallmark("tenants", "create", tenant, "--keys", 5, "--streams", 7, "--identity")
    changed = hallmark("tenants", "update", tenant, "--keys", 6, "--json").document["tenant"]
    assert (changed["quotas"]["keys"], changed["quotas"]["streams"]) == (6, 7)
    assert changed["channel_rules"] is None
    profile = service.home / "clients" / f"{tenant}.admin"
    rules = {"mode": "prefer", "triggers": [{"networks": ["203.0.113.0/24"], "sensitivity": "high"}]}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    stricter = hallmark("tenants", "update", tenant, "--channel-rules", "rules.json", "--profile", profile, "--json")
    assert stricter.code == 0, stricter.out
    found = stricter.document["tenant"]["channel_rules"]
    assert found["triggers"] == [{"networks": ["203.0.113.0/24"], "regions": [], "sensitivity": "HIGH"}]
    (tmp_path / "same.json").write_text(json.dumps(found))
    same = hallmark("tenants", "update", tenant, "--channel-rules", "same.json", "--profile", profile)
    assert same.code == 0, "what --json prints can be given again"
    looser = hallmark("tenants", "update", tenant, "--channels", "allow", "--profile", profile, "--json")
    assert (looser.code, looser.document["error"]["reason"]) == (3, "ROLE_NOT_ALLOWED")
    back = hallmark("tenants", "update", tenant, "--default-quotas", "--default-channels", "--json").document["tenant"]
    assert (back["quotas"], back["channel_rules"]) == (None, None)
    assert hallmark("tenants", "update", tenant, "--name", "x", "--etag", "0" * 16).code == 3


def test_an_identity_for_any_role_made_once(hallmark, service: RunningService, tenant: str) -> None:
    hallmark("tenants", "create", tenant)
    made = hallmark("tenants", "identity", tenant, "--role", "backend", "--json")
    profile = Path(made.document["profile"])
    before = (profile / "cert.pem").read_bytes()
    assert hallmark("keys", "list", "--profile", profile).code == 0
    assert hallmark("tenants", "identity", tenant, "--role", "backend").code == 0
    assert (profile / "cert.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("update", "default"), "NOTHING_TO_CHANGE"),
        (("update", "default", "--channels", "allow", "--channel-rules", "wrong.json"), "OPTIONS"),
        (("update", "default", "--channel-rules", "wrong.json"), "CHANNEL_RULES"),
        (("identity", "default", "--name", "auditor"), "IDENTITY"),
        (("identity", "system"), "IDENTITY"),
        (("identity", "default", "--home", "elsewhere"), "NO_LOCAL_AUTHORITY"),
    ],
    ids=range(6),
)
def test_what_can_not_work(hallmark, tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    (tmp_path / "wrong.json").write_text('{"mode": "sometimes"}')
    refused = hallmark("tenants", *arguments, "--json")
    assert (refused.code, refused.document["error"]["reason"]) == (2, reason)


def test_no_identity_away_from_the_server(hallmark, service: RunningService, tenant: str, tmp_path: Path) -> None:
    profile = service.home / "clients" / "admin"
    arguments = ("--home", tmp_path, "--profile", profile, "--json")
    refused = hallmark("tenants", "create", tenant, "--identity", *arguments)
    assert (refused.code, refused.document["error"]["reason"]) == (2, "NO_LOCAL_AUTHORITY")
    assert hallmark("tenants", "get", tenant).code == 3, "and nothing was made"
    assert not (tmp_path / "tls").exists()


def test_the_address_of_an_identity_is_that_of_now(service: RunningService, tmp_path: Path, tenant: str) -> None:
    folder = make_identity(service.home, tenant, "admin", "admin", service.profile())
    (folder / "profile.json").write_text("{}")
    make_identity(service.home, tenant, "admin", "admin", service.profile())
    assert json.loads((folder / "profile.json").read_text())["address"] == service.facts["address"]
