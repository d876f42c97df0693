import base64
import json
import time
from collections.abc import Iterator

import grpc
import pytest

from hallmark.v1 import common_pb2, keys_pb2, keys_pb2_grpc
from hallmark_composite import CompositePublicKey, verify
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService

ACTIVE, PRE_ACTIVE, DEACTIVATED = (
    keys_pb2.KEY_VERSION_STATE_ACTIVE,
    keys_pb2.KEY_VERSION_STATE_PRE_ACTIVE,
    keys_pb2.KEY_VERSION_STATE_DEACTIVATED,
)


@pytest.fixture
def keys(service: RunningService) -> Iterator[keys_pb2_grpc.KeyServiceStub]:
    with channel(service) as opened:
        yield keys_pb2_grpc.KeyServiceStub(opened)


@pytest.fixture
def trust(service: RunningService) -> Iterator[keys_pb2_grpc.TrustServiceStub]:
    with channel(service, "auditor") as opened:
        yield keys_pb2_grpc.TrustServiceStub(opened)


@pytest.fixture
def key(keys) -> keys_pb2.Key:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    return keys.CreateKey(request, timeout=20).key


def change(keys, name: str, action: int, **more) -> keys_pb2.ChangeKeyVersionStateResponse:
    request = keys_pb2.ChangeKeyVersionStateRequest(name=name, action=action, request_id=fresh_id(), **more)
    return keys.ChangeKeyVersionState(request, timeout=20)


def rotate(keys, name: str, seconds: int, **more) -> keys_pb2.RotateKeyResponse:
    request = keys_pb2.RotateKeyRequest(name=name, request_id=fresh_id(), **more)
    request.publish_lead.FromSeconds(seconds)
    return keys.RotateKey(request, timeout=20)


@pytest.mark.parametrize(
    "algorithm", [number for number in common_pb2.Algorithm.values() if number], ids=common_pb2.Algorithm.Name
)
def test_a_key_of_every_algorithm_is_made_rotated_and_shown(keys, algorithm: int) -> None:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), algorithm=algorithm, request_id=fresh_id())
    made = keys.CreateKey(request, timeout=20).key
    assert made.algorithm == algorithm
    rotated = keys.RotateKey(keys_pb2.RotateKeyRequest(name=made.name, request_id=fresh_id()), timeout=20).key
    assert [version.state for version in rotated.versions] == [ACTIVE, DEACTIVATED]
    public = [
        keys.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=version.name), timeout=20) for version in rotated.versions
    ]
    assert public[0].public_key != public[1].public_key
    assert bool(public[0].pem) == (made.purpose != keys_pb2.KEY_PURPOSE_ENVELOPE)


def test_the_clock_promotes_what_was_published_long_enough(keys, key) -> None:
    made = rotate(keys, key.name, 1)
    waiting = made.key.versions[0]
    assert (waiting.state, made.key.primary_version) == (PRE_ACTIVE, key.primary_version)
    assert made.readiness.next_version == waiting.name
    assert made.readiness.bundle_sequence > 0, "published before it signs"
    deadline = time.monotonic() + 15
    while keys.GetKey(keys_pb2.GetKeyRequest(name=key.name), timeout=20).primary_version != waiting.name:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_action_of_a_version(keys, key) -> None:
    version = key.primary_version
    for action, state in (
        (keys_pb2.KEY_VERSION_ACTION_SUSPEND, keys_pb2.KEY_VERSION_STATE_SUSPENDED),
        (keys_pb2.KEY_VERSION_ACTION_RESUME, ACTIVE),
        (keys_pb2.KEY_VERSION_ACTION_DEACTIVATE, DEACTIVATED),
        (keys_pb2.KEY_VERSION_ACTION_SCHEDULE_DESTROY, keys_pb2.KEY_VERSION_STATE_DESTROY_SCHEDULED),
        (keys_pb2.KEY_VERSION_ACTION_RESTORE, DEACTIVATED),
    ):
        answer = change(keys, version, action)
        assert answer.key.versions[0].state == state
        assert json.loads(answer.log.entry)["subject"] == version
    waiting = rotate(keys, key.name, 3600).key.versions[0].name
    assert change(keys, waiting, keys_pb2.KEY_VERSION_ACTION_ACTIVATE).key.primary_version == waiting


@pytest.mark.parametrize("action", [0, 99])
def test_an_action_that_is_none_is_refused(keys, key, action: int) -> None:
    request = keys_pb2.ChangeKeyVersionStateRequest(name=key.primary_version, action=action, request_id=fresh_id())
    refusal = refused(keys.ChangeKeyVersionState, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


@pytest.mark.parametrize("paths", [(), ("name",), ("labels", "purpose")])
def test_an_update_names_what_it_changes(keys, key, paths) -> None:
    request = keys_pb2.UpdateKeyRequest(key=keys_pb2.Key(name=key.name), request_id=fresh_id())
    request.update_mask.paths.extend(paths)
    refusal = refused(keys.UpdateKey, request)
    assert (refusal.reason, "update_mask" in refusal.message) == ("FIELD_INVALID", True)


def test_fields_outside_the_mask_are_not_looked_at(keys, key) -> None:
    wanted = keys_pb2.Key(name=key.name, labels={"a": "b"}, export_policy=keys_pb2.EXPORT_POLICY_WRAPPED)
    request = keys_pb2.UpdateKeyRequest(key=wanted, request_id=fresh_id())
    request.update_mask.paths.append("labels")
    changed = keys.UpdateKey(request, timeout=20).key
    assert (dict(changed.labels), changed.export_policy) == ({"a": "b"}, keys_pb2.EXPORT_POLICY_NEVER)
    assert changed.etag != key.etag


def test_times_that_are_none_are_refused(keys, key) -> None:
    request = keys_pb2.UpdateKeyRequest(key=keys_pb2.Key(name=key.name), request_id=fresh_id())
    request.key.usage_limits.not_after.seconds = 1 << 60
    request.update_mask.paths.append("usage_limits")
    assert refused(keys.UpdateKey, request).reason == "FIELD_INVALID"
    lead = keys_pb2.RotateKeyRequest(name=key.name, request_id=fresh_id())
    lead.publish_lead.nanos = 5
    assert refused(keys.RotateKey, lead).reason == "FIELD_INVALID"
    report = keys_pb2.ReportKeyCompromiseRequest(name=key.name, request_id=fresh_id())
    report.compromise_time.nanos = -7
    assert refused(keys.ReportKeyCompromise, report).reason == "FIELD_INVALID"


def test_a_manifest_key_is_made_with_an_algorithm_that_has_a_context(keys) -> None:
    request = keys_pb2.CreateKeyRequest(
        parent=PARENT,
        key_id=fresh_name(),
        purpose=keys_pb2.KEY_PURPOSE_MANIFEST,
        algorithm=common_pb2.ALGORITHM_ED25519,
        request_id=fresh_id(),
    )
    assert refused(keys.CreateKey, request).reason == "PURPOSE_MISMATCH"
    request.algorithm = common_pb2.ALGORITHM_ML_DSA_65
    assert keys.CreateKey(request, timeout=20).key.purpose == keys_pb2.KEY_PURPOSE_MANIFEST
    request.purpose, request.key_id, request.request_id = keys_pb2.KEY_PURPOSE_SERVICE, fresh_name(), fresh_id()
    assert refused(keys.CreateKey, request).reason == "FIELD_INVALID"


def test_a_manifest_key_signs_manifests_only(keys, service) -> None:
    request = keys_pb2.CreateKeyRequest(
        parent=PARENT, key_id=fresh_name(), purpose=keys_pb2.KEY_PURPOSE_MANIFEST, request_id=fresh_id()
    )
    name = keys.CreateKey(request, timeout=20).key.name
    with channel(service, "backend") as opened:
        signing = keys_pb2_grpc.SigningServiceStub(opened)
        for given in ({"data": b"anything"}, {"digest": bytes(64)}):
            refusal = refused(signing.Sign, keys_pb2.SignRequest(name=name, request_id=fresh_id(), **given))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PURPOSE_MISMATCH")
        manifest = b'{"exclude":[],"files":[],"format":"hallmark-manifest/v1","links":[]}'
        answer = signing.Sign(keys_pb2.SignRequest(name=name, data=manifest, request_id=fresh_id()), timeout=20)
    public = keys.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=answer.key_version), timeout=20)
    offline = CompositePublicKey.from_spki_pem(public.pem)
    verify(offline, answer.signature, message=manifest, context=b"hallmark/manifest/v1")


def test_a_total_is_counted_exactly(keys, service) -> None:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    request.usage_limits.total = 3
    name = keys.CreateKey(request, timeout=20).key.name
    with channel(service, "backend") as opened:
        signing = keys_pb2_grpc.SigningServiceStub(opened)
        first = keys_pb2.SignRequest(name=name, data=b"m", request_id=fresh_id())
        signing.Sign(first, timeout=20)
        assert signing.Sign(first, timeout=20).replayed, "an answer that is repeated is no use"
        for _ in range(2):
            signing.Sign(keys_pb2.SignRequest(name=name, data=b"m", request_id=fresh_id()), timeout=20)
        refusal = refused(signing.Sign, keys_pb2.SignRequest(name=name, data=b"m", request_id=fresh_id()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "USAGE_LIMIT_REACHED")
    assert keys.GetKey(keys_pb2.GetKeyRequest(name=name), timeout=20).use_count == 3


def test_aliases_of_others_are_not_there(keys, key) -> None:
    for name, target in (
        ("tenants/others/aliases/a", key.name),
        ("tenants/default/aliases/a", "tenants/others/keys/k"),
        ("tenants/default/aliases/a", "tenants/system/keys/trust-bundle"),
    ):
        request = keys_pb2.SetAliasRequest(alias=keys_pb2.Alias(name=name, key=target), request_id=fresh_id())
        assert refused(keys.SetAlias, request).reason == "RESOURCE_NOT_FOUND"
    gone = keys_pb2.DeleteAliasRequest(name="tenants/others/aliases/a", request_id=fresh_id())
    assert refused(keys.DeleteAlias, gone).reason == "RESOURCE_NOT_FOUND"
    assert (
        refused(keys.ListAliases, keys_pb2.ListAliasesRequest(parent="tenants/others")).reason == "RESOURCE_NOT_FOUND"
    )


def test_an_alias_is_set_once_however_often_it_is_asked_for(keys, key) -> None:
    name = f"{PARENT}/aliases/{fresh_name()}"
    request = keys_pb2.SetAliasRequest(alias=keys_pb2.Alias(name=name, key=key.name), request_id=fresh_id())
    first, again = keys.SetAlias(request, timeout=20), keys.SetAlias(request, timeout=20)
    assert (first.alias, again.replayed) == (again.alias, True)
    gone = keys_pb2.DeleteAliasRequest(name=name, request_id=fresh_id())
    assert not keys.DeleteAlias(gone, timeout=20).replayed
    assert keys.DeleteAlias(gone, timeout=20).replayed


def test_a_trust_bundle_is_signed_logged_and_public(service, keys, key, trust) -> None:
    bundle = trust.GetTrustBundle(keys_pb2.GetTrustBundleRequest(parent=PARENT), timeout=20)
    content = json.loads(bundle.payload)
    assert (content["sequence"], content["tenant"]) == (bundle.sequence, "default")
    names = [shown["key"] for shown in content["keys"]]
    assert names == sorted(names)
    assert {key.name, "tenants/system/keys/trust-bundle", "tenants/system/keys/revocation-events"} <= set(names)
    public = keys.GetPublicKey(keys_pb2.GetPublicKeyRequest(name=bundle.signature.key_version), timeout=20)
    verify(
        CompositePublicKey.from_spki_pem(public.pem),
        bundle.signature.signature,
        message=bundle.payload,
        context=b"hallmark/trust-bundle/v1",
    )
    assert json.loads(bundle.log.entry)["details"]["sequence"] == bundle.sequence
    path = service.home / "public" / bundle.public_path
    deadline = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    document = json.loads(path.read_bytes())
    assert base64.b64decode(document["payload"]) == bundle.payload
    assert base64.b64decode(document["signature"]) == bundle.signature.signature


def test_bundles_of_others_are_not_there(trust) -> None:
    for call, request in (
        (trust.GetTrustBundle, keys_pb2.GetTrustBundleRequest(parent="tenants/others")),
        (trust.AcknowledgeTrustBundle, keys_pb2.AcknowledgeTrustBundleRequest(parent="tenants/others", sequence=1)),
        (trust.GetRotationReadiness, keys_pb2.GetRotationReadinessRequest(name="tenants/others/keys/k")),
    ):
        refusal = refused(call, request)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


def test_a_report_names_a_revocation_for_each_version_and_is_in_the_log(keys, key) -> None:
    rotate(keys, key.name, 0)
    request = keys_pb2.ReportKeyCompromiseRequest(
        name=key.name, request_id=fresh_id(), log_wait=common_pb2.LOG_WAIT_PUBLISHED
    )
    answer = keys.ReportKeyCompromise(request, timeout=20)
    assert len(set(answer.revocations)) == 2
    assert answer.log.tlog_proof
    entry = json.loads(answer.log.entry)
    assert (entry["type"], entry["details"]["versions"]) == ("key.compromise-reported", [1, 2])
    again = keys.ReportKeyCompromise(request, timeout=20)
    assert (again.replayed, again.revocations) == (True, answer.revocations)
    request.name = key.primary_version
    assert refused(keys.ReportKeyCompromise, request).reason == "REQUEST_ID_REUSED"


def test_aliases_go_over_all_pages(keys, key) -> None:
    for _ in range(3):
        alias = keys_pb2.Alias(name=f"{PARENT}/aliases/{fresh_name()}", key=key.name)
        keys.SetAlias(keys_pb2.SetAliasRequest(alias=alias, request_id=fresh_id()), timeout=20)
    names, token = [], ""
    while True:
        request = keys_pb2.ListAliasesRequest(parent=PARENT, page_size=1, page_token=token)
        page = keys.ListAliases(request, timeout=20)
        names += [alias.name for alias in page.aliases]
        if not (token := page.next_page_token):
            break
    assert names == sorted(set(names))
    assert set(keys.GetKey(keys_pb2.GetKeyRequest(name=key.name), timeout=20).aliases) <= set(names)


def test_a_client_that_acknowledged_is_counted_as_ready(trust, keys, key) -> None:
    latest = trust.GetTrustBundle(keys_pb2.GetTrustBundleRequest(parent=PARENT), timeout=20).sequence
    request = keys_pb2.AcknowledgeTrustBundleRequest(parent=PARENT, sequence=latest)
    assert trust.AcknowledgeTrustBundle(request, timeout=20).latest_sequence >= latest
    readiness = trust.GetRotationReadiness(keys_pb2.GetRotationReadinessRequest(name=key.name), timeout=20)
    assert readiness.clients_ready >= 1
    assert not [client for client in readiness.not_ready if "/auditor/" in client]
