"""Channel rules, as clients with and without post-quantum TLS meet them."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from hallmark.v1 import common_pb2, keys_pb2, log_pb2, tenants_pb2, tenants_pb2_grpc
from hallmark_client import Client, Profile
from kms.core.clock import SystemClock
from kms.core.identity import Role
from kms.server.local_ca import LocalAuthority
from rpc.wire import channel, fresh_id, fresh_name
from support.classical_client import ClassicalClient, Ending
from support.service import RunningService, running_service

SETTINGS = """
[channels]
use_interval_seconds = 0.2
regions = { here = ["127.0.0.0/8", "::1/128"], elsewhere = ["192.0.2.0/24"] }
"""
CHECKPOINT = "/hallmark.v1.LogService/GetCheckpoint"
Rules = tenants_pb2.ChannelRules
REQUIRE, PREFER, ALLOW = (
    tenants_pb2.CHANNEL_MODE_REQUIRE,
    tenants_pb2.CHANNEL_MODE_PREFER,
    tenants_pb2.CHANNEL_MODE_ALLOW,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("channels"), settings=SETTINGS) as running:
        yield running


class Tenant:
    """One of its own for each test: its clients come over either kind of connection."""

    def __init__(self, service: RunningService, rules: Rules) -> None:
        self.service, self.id = service, fresh_name("tenant")
        self.authority = LocalAuthority(service.home, trust_domain="hallmark.local", now=SystemClock().now())
        with channel(service) as opened:
            request = tenants_pb2.CreateTenantRequest(tenant_id=self.id, channel_rules=rules, request_id=fresh_id())
            tenants_pb2_grpc.TenantServiceStub(opened).CreateTenant(request, timeout=20)

    @property
    def name(self) -> str:
        return f"tenants/{self.id}"

    def folder(self, role: Role) -> Path:
        return self.authority.ensure_client(self.id, role, role.value)

    def client(self, role: Role = Role.ADMIN) -> Client:
        """Over a post-quantum connection."""
        folder = self.folder(role)
        settings = {"address": self.service.facts["address"], "tenant": self.id}
        (folder / "profile.json").write_text(json.dumps(settings))
        return Client(Profile.load(folder))

    def classical(self, role: Role = Role.BACKEND) -> ClassicalClient:
        return ClassicalClient(str(self.service.facts["address"]), self.folder(role))

    def call(self, method: str, request: Message, role: Role = Role.BACKEND) -> Ending:
        """Over a new classical connection."""
        with self.classical(role) as client:
            return client.call(f"/hallmark.v1.{method}", request)[1]

    def sign(self, key: str) -> Ending:
        request = keys_pb2.SignRequest(name=f"{self.name}/{key}", data=b"m", request_id=fresh_id())
        return self.call("SigningService/Sign", request)

    def create_key(self, role: Role = Role.ADMIN) -> Ending:
        request = keys_pb2.CreateKeyRequest(parent=self.name, key_id=fresh_name(), request_id=fresh_id())
        return self.call("KeyService/CreateKey", request, role)

    def look(self) -> Ending:
        return self.call("LogService/GetCheckpoint", log_pb2.GetCheckpointRequest())


@pytest.fixture
def tenant(served: RunningService) -> Callable[..., Tenant]:
    return lambda **rules: Tenant(served, Rules(**rules))


def rule(ending: Ending) -> str:
    """That refused it; empty: it passed."""
    if ending.code is grpc.StatusCode.OK:
        return ""
    assert (ending.code, ending.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PQ_TLS_REQUIRED")
    return str(ending.detail(error_details_pb2.ErrorInfo()).metadata["rule"])


def test_what_a_classical_session_may_is_up_to_its_tenant(tenant: Callable[..., Tenant]) -> None:
    strict, usual, open_ = tenant(mode=REQUIRE), tenant(mode=PREFER), tenant(mode=ALLOW)
    assert rule(strict.look()) == "tenant.require"
    assert rule(usual.look()) == ""
    assert rule(usual.create_key()) == "tenant.classical_sensitivity"
    assert rule(open_.look()) == rule(open_.create_key()) == ""
    for each in (strict, usual):
        with each.client() as client:
            client.keys.create(fresh_name())


def test_keys_that_are_sensitive_are_kept_from_it_at_once(tenant: Callable[..., Tenant]) -> None:
    mine = tenant(mode=PREFER)
    with mine.client() as admin:
        admin.keys.create("plain")
        admin.keys.create("secret", sensitivity="HIGH")
        admin.aliases.set("current", "plain")
        assert rule(mine.sign("keys/plain")) == rule(mine.sign("aliases/current")) == ""
        assert rule(mine.sign("keys/secret")) == "tenant.classical_sensitivity"
        assert rule(mine.sign("keys/secret/versions/1")) == "tenant.classical_sensitivity"
        admin.aliases.set("current", "secret")
        assert rule(mine.sign("aliases/current")) == "tenant.classical_sensitivity"
        assert admin.keys.update("plain", sensitivity="maximum").sensitivity == "MAXIMUM"
        assert rule(mine.sign("keys/plain")) == "tenant.classical_sensitivity"
        with mine.client(Role.BACKEND) as backend:
            assert backend.signing.sign("plain", b"m").key_version.endswith("/plain/versions/1")
        admin.keys.update("plain", sensitivity="low")
        assert rule(mine.sign("keys/plain")) == ""


def test_a_refusal_says_what_was_negotiated_and_what_would_do(
    tenant: Callable[..., Tenant], served: RunningService
) -> None:
    mine = tenant(mode=PREFER)
    ending = mine.create_key()
    metadata = ending.detail(error_details_pb2.ErrorInfo()).metadata
    assert metadata["tls_version"] == "TLSv1.3"
    assert metadata["groups"] == "X25519MLKEM768"
    assert metadata["sensitivity"] == "HIGH"
    assert metadata["tls_group"] in {"prime256v1", "secp256r1", "P-256"}
    (violation,) = ending.detail(error_details_pb2.PreconditionFailure()).violations
    assert violation.type == "PQ_TLS_REQUIRED"
    assert "connect again" in ending.message
    (line,) = [line for line in served.audit() if line["call_id"] == metadata["call_id"]]
    assert (line["reason"], line["tls_group"], line["tenant"]) == ("PQ_TLS_REQUIRED", metadata["tls_group"], mine.id)


def test_triggers_look_at_where_it_comes_from_and_what_it_wants(tenant: Callable[..., Tenant]) -> None:
    def with_triggers(*triggers: dict[str, Any]) -> Tenant:
        return tenant(mode=ALLOW, triggers=[tenants_pb2.ChannelTrigger(**trigger) for trigger in triggers])

    standard = common_pb2.SENSITIVITY_STANDARD
    assert rule(with_triggers({"regions": ["elsewhere"]}).look()) == ""
    assert rule(with_triggers({"regions": ["elsewhere"]}, {"regions": ["here"]}).look()) == "tenant.triggers.2"
    assert rule(with_triggers({"networks": ["192.0.2.0/24"]}).look()) == ""
    assert rule(with_triggers({"networks": ["127.0.0.0/8", "::1/128"]}).look()) == "tenant.triggers.1"
    only_standard = with_triggers({"regions": ["here"], "sensitivity": standard})
    assert rule(only_standard.look()) == ""
    assert rule(only_standard.sign("keys/no-such")) == "tenant.triggers.1"


def test_keys_of_others_and_keys_that_are_not_there_answer_alike(tenant: Callable[..., Tenant]) -> None:
    mine, theirs = tenant(mode=PREFER), tenant(mode=PREFER)
    with theirs.client() as admin:
        admin.keys.create("secret", sensitivity="MAXIMUM")
    endings = []
    for name in (f"{theirs.name}/keys/secret", f"{theirs.name}/keys/no-such", f"{mine.name}/keys/no-such"):
        request = keys_pb2.SignRequest(name=name, data=b"m", request_id=fresh_id())
        ending = mine.call("SigningService/Sign", request)
        endings.append((ending.code, ending.reason, ending.message.replace(name, "NAME")))
    assert len(set(endings)) == 1
    assert endings[0][0] is grpc.StatusCode.NOT_FOUND


def test_a_classical_session_has_a_budget_of_bytes(tenant: Callable[..., Tenant]) -> None:
    mine = tenant(mode=PREFER, classical_bytes_per_day=20_000)
    with mine.classical() as client:
        moved, ending = 0, None
        for _ in range(20):
            answers, ending = client.call(CHECKPOINT, log_pb2.GetCheckpointRequest())
            if ending.code is not grpc.StatusCode.OK:
                break
            moved += sum(map(len, answers))
    assert ending is not None
    assert (ending.code, ending.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CLASSICAL_BUDGET_SPENT")
    assert 20_000 <= moved < 25_000
    wait = ending.detail(error_details_pb2.RetryInfo()).retry_delay.ToTimedelta().total_seconds()
    assert 23 * 3600 < wait <= 25 * 3600
    assert mine.look().reason == "CLASSICAL_BUDGET_SPENT", "another connection does not help"
    with mine.client(Role.BACKEND) as client:
        assert client.log.checkpoint().note, "a post-quantum one does"
    assert mine.call("LogService/GetCheckpoint", log_pb2.GetCheckpointRequest(), Role.AUDITOR).reason == "", (
        "of a caller"
    )


def test_a_stream_ends_when_the_budget_is_spent(tenant: Callable[..., Tenant]) -> None:
    mine = tenant(mode=PREFER, classical_bytes_per_day=15_000)
    with mine.client(Role.BACKEND) as writer, mine.classical() as client:
        answers = client.stream("/hallmark.v1.LogService/StreamEntries", log_pb2.StreamEntriesRequest(follow=True))
        moved, deadline = 0, time.monotonic() + 30
        while client.ending is None:
            assert time.monotonic() < deadline, "the stream goes on and on"
            writer.log.append("com.example.thing.done", "things/1", details={"text": "x" * 2000})
            moved += len(next(answers, b""))
        ending = client.ending
    assert (ending.code, ending.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CLASSICAL_BUDGET_SPENT")
    assert moved >= 12_000, "not before it was spent"


def test_what_was_moved_is_known_after_a_restart(tmp_path: Path) -> None:
    with running_service(tmp_path / "again", settings=SETTINGS) as service:
        mine = Tenant(service, Rules(mode=PREFER, classical_bytes_per_day=3000))
        assert mine.look().reason == ""
        service.stop()
        service.start()
        assert mine.look().reason == "CLASSICAL_BUDGET_SPENT"
