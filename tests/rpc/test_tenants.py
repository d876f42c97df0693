"""Tenants over the wire: every RPC of the service, who may call it, and what suspension and quotas do."""

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import duration_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from hallmark.v1 import events_pb2, events_pb2_grpc, keys_pb2, keys_pb2_grpc, tenants_pb2, tenants_pb2_grpc
from kms.core.identity import Role
from rpc.wire import channel, fresh_id, fresh_name, refused
from support.service import RunningService
from support.tenant_identities import tenant_channel

SUSPENDED, ACTIVE = tenants_pb2.TENANT_STATE_SUSPENDED, tenants_pb2.TENANT_STATE_ACTIVE


@pytest.fixture
def operators(service: RunningService) -> Iterator[tenants_pb2_grpc.TenantServiceStub]:
    with channel(service, "admin") as opened:
        yield tenants_pb2_grpc.TenantServiceStub(opened)


def _create(stub: tenants_pb2_grpc.TenantServiceStub, **fields: object) -> str:
    """The id of a fresh tenant."""
    tenant = fresh_name("tenant")
    stub.CreateTenant(_request(tenant, **fields), timeout=20)
    return tenant


def _request(tenant: str, **fields: object) -> tenants_pb2.CreateTenantRequest:
    return tenants_pb2.CreateTenantRequest(tenant_id=tenant, request_id=fresh_id(), **fields)


def _state(tenant: str, state: tenants_pb2.TenantState) -> tenants_pb2.ChangeTenantStateRequest:
    return tenants_pb2.ChangeTenantStateRequest(name=f"tenants/{tenant}", state=state, request_id=fresh_id())


def _create_key(opened: grpc.Channel, tenant: str) -> object:
    request = keys_pb2.CreateKeyRequest(parent=f"tenants/{tenant}", key_id=fresh_name(), request_id=fresh_id())
    return keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20)


def test_from_making_to_suspension(service: RunningService, operators) -> None:
    request = _request(fresh_name("tenant"), display_name="Acme Ltd")
    made = operators.CreateTenant(request, timeout=20)
    tenant = request.tenant_id
    assert b"tenant.created" in made.log.entry
    assert operators.CreateTenant(request, timeout=20).replayed
    assert refused(operators.CreateTenant, _request(tenant)).reason == "TENANT_EXISTS"
    assert operators.GetTenant(tenants_pb2.GetTenantRequest(name=f"tenants/{tenant}")) == made.tenant
    update = tenants_pb2.UpdateTenantRequest(
        tenant=tenants_pb2.Tenant(name=f"tenants/{tenant}", display_name="Acme", etag=made.tenant.etag),
        update_mask=FieldMask(paths=["display_name"]),
        request_id=fresh_id(),
    )
    assert operators.UpdateTenant(update, timeout=20).tenant.display_name == "Acme"
    update.request_id = fresh_id()
    assert refused(operators.UpdateTenant, update).reason == "ETAG_MISMATCH"
    with tenant_channel(service, tenant) as theirs:
        _create_key(theirs, tenant)
        operators.ChangeTenantState(_state(tenant, SUSPENDED), timeout=20)
        refusal = refused(
            tenants_pb2_grpc.TenantServiceStub(theirs).GetTenant,
            tenants_pb2.GetTenantRequest(name=f"tenants/{tenant}"),
        )
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "TENANT_SUSPENDED")
        operators.ChangeTenantState(_state(tenant, ACTIVE), timeout=20)
        _create_key(theirs, tenant)


def test_operators_see_all_and_others_their_own(service: RunningService, operators) -> None:
    acme, other = _create(operators), _create(operators)
    listed = operators.ListTenants(tenants_pb2.ListTenantsRequest(page_size=1000), timeout=20)
    assert {f"tenants/{acme}", f"tenants/{other}", "tenants/default"} <= {each.name for each in listed.tenants}
    with tenant_channel(service, acme) as theirs:
        stub = tenants_pb2_grpc.TenantServiceStub(theirs)
        own = stub.ListTenants(tenants_pb2.ListTenantsRequest(), timeout=20).tenants
        assert [each.name for each in own] == [f"tenants/{acme}"]
        asked = [
            (stub.GetTenant, tenants_pb2.GetTenantRequest(name=f"tenants/{other}")),
            (stub.ChangeTenantState, _state(other, SUSPENDED)),
            (
                stub.UpdateTenant,
                tenants_pb2.UpdateTenantRequest(
                    tenant=tenants_pb2.Tenant(name=f"tenants/{other}"),
                    update_mask=FieldMask(paths=["quotas"]),
                    request_id=fresh_id(),
                ),
            ),
        ]
        for call, request in asked:
            assert refused(call, request).code == grpc.StatusCode.NOT_FOUND
        for call, request in [
            (stub.ChangeTenantState, _state(acme, SUSPENDED)),
            (stub.CreateTenant, _request(fresh_name("tenant"))),
        ]:
            assert refused(call, request).code == grpc.StatusCode.PERMISSION_DENIED
    with tenant_channel(service, acme, Role.BACKEND) as theirs:
        stub = tenants_pb2_grpc.TenantServiceStub(theirs)
        assert stub.GetTenant(tenants_pb2.GetTenantRequest(name=f"tenants/{acme}"), timeout=20).state == ACTIVE
        assert refused(stub.CreateTenant, _request("x")).reason == "ROLE_NOT_ALLOWED"


def test_a_quota_of_keys(service: RunningService, operators) -> None:
    tenant = _create(operators, quotas=tenants_pb2.Quotas(keys=2))
    with tenant_channel(service, tenant) as theirs:
        _create_key(theirs, tenant)
        _create_key(theirs, tenant)
        stub = keys_pb2_grpc.KeyServiceStub(theirs)
        request = keys_pb2.CreateKeyRequest(parent=f"tenants/{tenant}", key_id="third", request_id=fresh_id())
        refusal = refused(stub.CreateKey, request)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        (violation,) = refusal.details["QuotaFailure"].violations
        assert (violation.subject, violation.quota_id, violation.quota_value) == (
            f"tenant:{tenant}",
            "keys-of-tenant",
            2,
        )
        assert refusal.details["RetryInfo"].retry_delay.seconds


def test_the_streams_of_a_suspended_tenant_end(service: RunningService, operators) -> None:
    """With their next answer after the second in which the replica learns of it."""
    tenant = _create(operators)
    with tenant_channel(service, tenant) as theirs:
        request = events_pb2.WatchEventsRequest(
            parent=f"tenants/{tenant}",
            feeds=[events_pb2.FeedStart(feed=events_pb2.FEED_GLOBAL)],
            nonce=b"n" * 16,
            heartbeat_interval=duration_pb2.Duration(seconds=1),
        )
        stream = events_pb2_grpc.EventServiceStub(theirs).WatchEvents(request, timeout=60)
        first, ended = threading.Event(), []

        def follow() -> None:
            try:
                for _ in stream:
                    first.set()
            except grpc.RpcError as error:
                ended.append((error.code(), time.monotonic()))

        following = threading.Thread(target=follow)
        following.start()
        try:
            assert first.wait(20)
            began = time.monotonic()
            operators.ChangeTenantState(_state(tenant, SUSPENDED), timeout=20)
            following.join(30)
            assert not following.is_alive()
        finally:
            stream.cancel()
            following.join(10)
        ((code, moment),) = ended
        assert code == grpc.StatusCode.PERMISSION_DENIED
        assert moment - began < 20
