"""Access rules over the wire, in a service of their own: what is in force matters to every caller."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509
from google.protobuf import timestamp_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hallmark.v1 import access_pb2, access_pb2_grpc, keys_pb2, keys_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_client.wire.access import access_policy_of
from rpc.wire import PARENT, channel, fresh_id, refused
from support.service import RunningService, running_service

SETTINGS = '[server]\nadmins = ["bob"]\n'
ADMINS = b'@id("admins")\npermit(principal, action, resource) when { principal.role == "admin" };\n'
SIGNERS = ADMINS + (
    b'@id("backend-signs")\npermit(principal, action == Action::"SigningService.Sign", '
    b'resource in Resource::"tenants/default/keys/pay")\nwhen { principal.role == "backend" && context.post_quantum };\n'
    b'@id("backend-reads")\npermit(principal, action in [Action::"read"], resource)\n'
    b'when { principal.role == "backend" && resource.kind != "accessPolicies" };\n'
    b'@id("not-elsewhere")\nforbid(principal, action in [Action::"TrustService"], resource)\n'
    b'unless { context.address.isInRange(ip("10.0.0.0/8")) };\n'
)
ROLES_ALONE = f"{PARENT}/accessPolicies/0"


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("access"), settings=SETTINGS) as running:
        with running.client() as client:
            for key in ("pay", "other"):
                client.keys.create(key)
        yield running


@pytest.fixture
def admin(walled: RunningService) -> Iterator[access_pb2_grpc.AccessServiceStub]:
    """Roles alone are in force before and after."""
    with channel(walled, "admin") as opened:
        stub = access_pb2_grpc.AccessServiceStub(opened)
        yield stub
        active = stub.GetAccessPolicy(access_pb2.GetAccessPolicyRequest(name=f"{PARENT}/accessPolicies/active"))
        if active.name != ROLES_ALONE:
            _activate(stub, ROLES_ALONE)


def _set(stub: access_pb2_grpc.AccessServiceStub, document: bytes) -> access_pb2.AccessPolicy:
    request = access_pb2.SetAccessPolicyRequest(parent=PARENT, document=document, request_id=fresh_id())
    return stub.SetAccessPolicy(request, timeout=20).policy


def _activate(stub: access_pb2_grpc.AccessServiceStub, name: str) -> access_pb2.AccessPolicy:
    request = access_pb2.ActivateAccessPolicyRequest(name=name, request_id=fresh_id())
    return stub.ActivateAccessPolicy(request, timeout=20).policy


def _sign(opened: grpc.Channel, key: str, **more: str) -> object:
    request = keys_pb2.SignRequest(name=f"{PARENT}/keys/{key}", data=b"x", request_id=fresh_id(), **more)
    return keys_pb2_grpc.SigningServiceStub(opened).Sign(request, timeout=20)


def _refused_sign(opened: grpc.Channel, key: str) -> tuple[str, str]:
    request = keys_pb2.SignRequest(name=f"{PARENT}/keys/{key}", data=b"x", request_id=fresh_id())
    refusal = refused(keys_pb2_grpc.SigningServiceStub(opened).Sign, request)
    return refusal.reason, refusal.message


def test_a_policy_decides_at_once_and_gives_way_again(
    walled: RunningService, admin: access_pb2_grpc.AccessServiceStub
) -> None:
    policy = _set(admin, SIGNERS)
    with channel(walled, "backend") as backend:
        _sign(backend, "other")
        activated = _activate(admin, policy.name)
        assert activated.state == access_pb2.ACCESS_POLICY_STATE_ACTIVE
        _sign(backend, "pay")
        reason, message = _refused_sign(backend, "other")
        assert (reason, "not permit" in message) == ("ACCESS_DENIED", True)
        readiness = keys_pb2.GetTrustBundleRequest(parent=PARENT)
        refusal = refused(keys_pb2_grpc.TrustServiceStub(backend).GetTrustBundle, readiness)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ACCESS_FORBIDDEN")
        assert "not-elsewhere" not in refusal.message, "the backend may not read policies"
        assert dict(refusal.details["ErrorInfo"].metadata).get("statements") is None
        _activate(admin, ROLES_ALONE)
        _sign(backend, "other")
    listed = admin.ListAccessPolicies(access_pb2.ListAccessPoliciesRequest(parent=PARENT), timeout=20).policies
    assert policy.name in [each.name for each in listed]


def test_what_may_not_be_read_looks_like_what_is_not_there(
    walled: RunningService, admin: access_pb2_grpc.AccessServiceStub
) -> None:
    with channel(walled, "backend") as backend:
        reason, message = _refused_sign(backend, "nothing-there")
        _activate(admin, _set(admin, ADMINS).name)
        for key in ("pay", "nothing-there"):
            hidden = _refused_sign(backend, key)
            assert hidden == (reason, message.replace("nothing-there", key))


def test_a_signer_with_the_service_key(walled: RunningService, admin: access_pb2_grpc.AccessServiceStub) -> None:
    policy = access_policy_of(_set(admin, SIGNERS))
    with walled.client() as client:
        policy.verify(client.access.service_keys())


def test_grants(walled: RunningService, admin: access_pb2_grpc.AccessServiceStub) -> None:
    _activate(admin, _set(admin, ADMINS).name)
    with channel(walled, "backend") as backend, walled.client() as client:
        principal = _spiffe_id(walled, "backend")
        until = timestamp_pb2.Timestamp()
        until.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        wanted = access_pb2.Grant(
            principal=principal,
            actions=["SigningService.Sign"],
            resources=[f"{PARENT}/keys/pay"],
            condition="context.post_quantum",
            expire_time=until,
        )
        create = access_pb2.CreateGrantRequest(parent=PARENT, grant=wanted, request_id=fresh_id())
        grant = admin.CreateGrant(create, timeout=20).grant
        _sign(backend, "pay")
        assert _refused_sign(backend, "other")[0] == "RESOURCE_NOT_FOUND"
        effective = admin.ListEffectiveGrants(
            access_pb2.ListEffectiveGrantsRequest(parent=PARENT, principal=principal), timeout=20
        )
        assert [(each.action, list(each.sources)) for each in effective.grants] == [
            ("SigningService.Sign", [grant.name])
        ]
        test = access_pb2.TestAccessRequest(
            parent=PARENT,
            principal=principal,
            action="SigningService.Sign",
            resource=f"{PARENT}/keys/pay/versions/1",
            context=access_pb2.AccessContext(tls_group="X25519"),
        )
        assert not admin.TestAccess(test, timeout=20).allowed
        test.context.tls_group = "X25519MLKEM768"
        assert list(admin.TestAccess(test, timeout=20).statements) == [grant.name]
        assert admin.GetGrant(access_pb2.GetGrantRequest(name=grant.name), timeout=20) == grant
        revoke = access_pb2.RevokeGrantRequest(name=grant.name, request_id=fresh_id())
        assert admin.RevokeGrant(revoke, timeout=20).grant.HasField("revoke_time")
        assert _refused_sign(backend, "pay")[0] == "RESOURCE_NOT_FOUND"
        assert [found.name for found in client.access.grants(show_ended=True)] == [grant.name]
        wanted.principal = _spiffe_id(walled, "admin")
        to_oneself = access_pb2.CreateGrantRequest(parent=PARENT, grant=wanted, request_id=fresh_id())
        assert refused(admin.CreateGrant, to_oneself).reason == "ACCESS_DENIED"
        listed = admin.ListGrants(access_pb2.ListGrantsRequest(parent=PARENT), timeout=20)
        assert not listed.grants


def test_a_stream_ends_when_it_is_not_permitted_any_more(
    walled: RunningService, admin: access_pb2_grpc.AccessServiceStub
) -> None:
    with channel(walled, "backend") as backend, walled.client() as client:
        watch = revocation_pb2_grpc.RevocationServiceStub(backend).WatchRevocations(
            revocation_pb2.WatchRevocationsRequest(parent=PARENT, heartbeat_interval={"seconds": 1}), timeout=30
        )
        ended: list[grpc.RpcError] = []

        def follow() -> None:
            try:
                for _ in watch:
                    pass
            except grpc.RpcError as error:
                ended.append(error)

        following = threading.Thread(target=follow)
        following.start()
        time.sleep(0.5)
        _activate(admin, _set(admin, ADMINS).name)
        client.keys.create("revoked-here")
        client.revocations.revoke("revoked-here", "SUPERSEDED")
        following.join(20)
        assert not following.is_alive()
        assert ended[0].code() is grpc.StatusCode.PERMISSION_DENIED


def test_streams_that_upload_are_permitted_by_what_they_name(
    walled: RunningService, admin: access_pb2_grpc.AccessServiceStub
) -> None:
    _activate(admin, _set(admin, SIGNERS.replace(b"SigningService.Sign", b"SigningService.SignStream")).name)

    def parts(key: str) -> Iterator[keys_pb2.SignStreamRequest]:
        header = keys_pb2.SignRequest(name=f"{PARENT}/keys/{key}", request_id=fresh_id())
        yield keys_pb2.SignStreamRequest(header=header)
        yield keys_pb2.SignStreamRequest(chunk=b"hello")
        yield keys_pb2.SignStreamRequest(chunk=b"")

    with channel(walled, "backend") as backend:
        stub = keys_pb2_grpc.SigningServiceStub(backend)
        assert stub.SignStream(parts("pay"), timeout=20).signature
        with pytest.raises(grpc.RpcError) as error:
            stub.SignStream(parts("other"), timeout=20)
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_health_is_for_load_balancers_whatever_the_policy(
    walled: RunningService, admin: access_pb2_grpc.AccessServiceStub
) -> None:
    _activate(admin, _set(admin, ADMINS).name)
    with channel(walled, "backend") as backend:
        answer = health_pb2_grpc.HealthStub(backend).Check(health_pb2.HealthCheckRequest(), timeout=20)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_nobody_locks_everybody_out(admin: access_pb2_grpc.AccessServiceStub) -> None:
    policy = _set(admin, b'@id("nobody") forbid(principal, action, resource);')
    request = access_pb2.ActivateAccessPolicyRequest(name=policy.name, request_id=fresh_id())
    refusal = refused(admin.ActivateAccessPolicy, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LOCKOUT")


def test_mistakes_are_told_with_their_line(admin: access_pb2_grpc.AccessServiceStub) -> None:
    document = ADMINS + b'@id("x")\npermit(principal, action, resource) when { context.postquantum };'
    request = access_pb2.SetAccessPolicyRequest(parent=PARENT, document=document, request_id=fresh_id())
    refusal = refused(admin.SetAccessPolicy, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID")
    assert "line 3: x: attribute `postquantum` not found" in refusal.message


def test_a_document_that_would_exhaust_the_stack_is_refused(admin: access_pb2_grpc.AccessServiceStub) -> None:
    document = b'@id("x") permit(principal, action, resource) when { ' + b"(" * 5000 + b"true" + b")" * 5000 + b" };"
    request = access_pb2.SetAccessPolicyRequest(parent=PARENT, document=document, request_id=fresh_id())
    assert refused(admin.SetAccessPolicy, request).reason == "POLICY_INVALID"
    assert _set(admin, ADMINS).name, "the server lives"


def test_a_dry_run_tells_of_calls_that_came(walled: RunningService, admin: access_pb2_grpc.AccessServiceStub) -> None:
    policy = _set(admin, ADMINS)
    with channel(walled, "backend") as backend:
        _sign(backend, "pay")
    request = access_pb2.DryRunAccessPolicyRequest(name=policy.name)
    deadline = time.monotonic() + 20
    while True:
        found = admin.DryRunAccessPolicy(request, timeout=60)
        changes = {(change.action, change.resource): change for change in found.changes}
        if ("SigningService.Sign", f"{PARENT}/keys/pay") in changes or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    change = changes["SigningService.Sign", f"{PARENT}/keys/pay"]
    assert (change.allowed_now, change.allowed_then, change.calls > 0) == (True, False, True)


def test_other_roles_look_and_do_not_touch(walled: RunningService) -> None:
    with channel(walled, "auditor") as auditor:
        stub = access_pb2_grpc.AccessServiceStub(auditor)
        assert stub.GetAccessPolicy(access_pb2.GetAccessPolicyRequest(name=ROLES_ALONE), timeout=20).name == ROLES_ALONE
        request = access_pb2.SetAccessPolicyRequest(parent=PARENT, document=ADMINS, request_id=fresh_id())
        assert refused(stub.SetAccessPolicy, request).reason == "ROLE_NOT_ALLOWED"


def test_the_sdk(walled: RunningService, admin: access_pb2_grpc.AccessServiceStub) -> None:
    with walled.client() as client:
        made = client.access.set(SIGNERS, title="signers")
        assert client.access.set(SIGNERS, validate_only=True).log is None
        client.access.activate(made.policy.name)
        assert client.access.get().title == "signers"
        principal = _spiffe_id(walled, "backend")
        told = client.access.test(principal, "SigningService.Sign", resource=f"{PARENT}/keys/pay", tls_group="X25519")
        assert (told.allowed, told.reason) == (False, "ACCESS_DENIED")
        assert any(each.action == "SigningService.Sign" for each in client.access.effective(principal).grants)
        client.access.activate("0")


def _spiffe_id(service: RunningService, role: str) -> str:
    certificate = x509.load_pem_x509_certificate((service.home / "clients" / role / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (found,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return found
