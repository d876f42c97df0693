import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import Client, InvalidArgument, KeyVersionAction, NotFound, PermissionDenied, VerificationFailed
from hallmark_client.model.trust import VerifiedBundle
from hallmark_composite import verify


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


def current(client: Client) -> VerifiedBundle:
    return client.trust.fetch().verify(client.trust.service_keys(), tenant="default", now=datetime.now(UTC))


def test_a_bundle_shows_every_version_with_its_validity_and_is_signed(admin: Client) -> None:
    name = fresh_name()
    key = admin.keys.create(name)
    signature = admin.signing.sign(name, b"message", context=b"c")
    bundle = current(admin)
    (shown,) = [each for each in bundle.keys if each.name == key.name]
    assert (shown.purpose, [version.state for version in shown.versions]) == ("SIGN", ["ACTIVE"])
    public_key = bundle.public_key(signature.key_version, at=datetime.now(UTC))
    verify(public_key, signature.signature, message=b"message", context=b"c")
    assert bundle.issued <= datetime.now(UTC) < bundle.not_after
    assert "tenants/system/keys/trust-bundle/versions/1" in bundle.service_keys()


def test_each_change_makes_the_next_bundle_and_nothing_else_does(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name)
    first = admin.trust.fetch()
    assert admin.trust.fetch().payload == first.payload
    admin.keys.rotate(name)
    second = admin.trust.fetch()
    assert second.sequence == first.sequence + 1
    assert second.public_path == f"trust/default/bundle-{second.sequence}.json"
    bundle = current(admin)
    with pytest.raises(VerificationFailed) as refused:
        bundle.public_key(f"tenants/default/keys/{name}/versions/1", at=datetime.now(UTC) + timedelta(seconds=5))
    assert refused.value.reason == "VERSION_NOT_VALID", "it was rotated out"
    admin.aliases.set(fresh_name(), name)
    assert admin.trust.fetch().sequence == second.sequence + 1


def test_a_version_that_waits_is_in_the_bundle_before_it_signs(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name)
    rotated = admin.keys.rotate(name, lead=timedelta(hours=1))
    assert rotated.next_version is not None
    version = current(admin).version(rotated.next_version.name)
    assert (version.state, version.activate_time) == ("PRE_ACTIVE", rotated.next_version.activate_time)


def test_a_compromised_version_is_not_valid_from_then_on(admin: Client) -> None:
    name = fresh_name()
    version = admin.keys.create(name).primary_version
    since = datetime.now(UTC)
    admin.keys.report_compromise(version, compromise_time=since)
    bundle = current(admin)
    bundle.version(version)
    with pytest.raises(VerificationFailed):
        bundle.public_key(version, at=since + timedelta(seconds=1))


def test_readiness_counts_who_has_the_next_version(admin: Client, client_under_test) -> None:
    name = fresh_name()
    admin.keys.create(name)
    backend, device = client_under_test("backend"), client_under_test("device")
    for client in (admin, backend, device):
        client.trust.acknowledge(client.trust.fetch().sequence)
    rotated = admin.keys.rotate(name, lead=timedelta(hours=1))
    assert rotated.next_version is not None
    waiting = admin.trust.readiness(name)
    assert waiting.next_version == rotated.next_version.name
    assert waiting.clients_ready == 0
    assert waiting.clients_seen >= 3
    assert backend.trust.acknowledge(waiting.bundle_sequence) == admin.trust.fetch().sequence
    ready = admin.trust.readiness(name)
    assert (ready.clients_ready, ready.clients_seen) == (1, waiting.clients_seen)
    assert not [client for client in ready.not_ready if "/backend/" in client]
    assert [client for client in ready.not_ready if "/device/" in client]


def test_nobody_is_ready_for_a_version_that_was_only_rehearsed(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name)
    admin.trust.acknowledge(admin.trust.fetch().sequence)
    for lead in (timedelta(0), timedelta(hours=1)):
        found = admin.keys.rehearse_rotation(name, lead=lead).readiness
        assert found.next_version.endswith(f"{name}/versions/2")
        assert (found.bundle_sequence, found.clients_ready) == (0, 0)
        assert found.clients_seen >= 1


def test_only_bundles_there_are_can_be_acknowledged(admin: Client) -> None:
    latest = admin.trust.fetch().sequence
    for sequence in (0, -1, latest + 1):
        with pytest.raises(InvalidArgument):
            admin.trust.acknowledge(sequence)


def test_an_older_acknowledgement_does_not_take_back_a_newer_one(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name)
    latest = admin.trust.fetch().sequence
    admin.keys.rotate(name)
    newest = admin.trust.fetch().sequence
    assert newest > latest
    admin.trust.acknowledge(newest)
    admin.trust.acknowledge(latest)
    assert not [client for client in admin.trust.readiness(name).not_ready if "/admin/" in client]


def test_a_bundle_of_someone_else_or_too_old_is_refused(admin: Client) -> None:
    bundle, keys, now = admin.trust.fetch(), admin.trust.service_keys(), datetime.now(UTC)
    for kind, more in (
        ("BUNDLE_FOREIGN", {"tenant": "others", "now": now}),
        ("BUNDLE_EXPIRED", {"tenant": "default", "now": now + timedelta(days=8)}),
        ("BUNDLE_ROLLED_BACK", {"tenant": "default", "now": now, "newest_seen": bundle.sequence + 1}),
        ("KEY_NOT_TRUSTED", {"tenant": "default", "now": now, "keys": {}}),
    ):
        with pytest.raises(VerificationFailed) as refused:
            bundle.verify(more.pop("keys", keys), **more)
        assert refused.value.reason == kind


def test_what_a_destroyed_version_verified_can_still_be_verified(admin: Client) -> None:
    name = fresh_name()
    version = admin.keys.create(name).primary_version
    admin.keys.change_state(version, KeyVersionAction.DEACTIVATE)
    admin.keys.change_state(version, KeyVersionAction.SCHEDULE_DESTROY)
    assert current(admin).version(version).state == "DESTROY_SCHEDULED"
    current(admin).public_key(version, at=admin.keys.get(name).create_time + timedelta(microseconds=1))


def test_readiness_is_for_readers_and_of_keys_that_are_there(client_under_test) -> None:
    with pytest.raises(NotFound):
        client_under_test("auditor").trust.readiness(fresh_name())
    with pytest.raises(PermissionDenied):
        client_under_test("device").trust.readiness(fresh_name())
