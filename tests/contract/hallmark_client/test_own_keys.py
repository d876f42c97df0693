"""Settings that people approve, and the service's own keys, which operators rotate like any other."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import (
    Client,
    FailedPrecondition,
    KeyPurpose,
    KeyVersionState,
    NotFound,
    PermissionDenied,
    RotationPolicy,
    UsageLimits,
)

TRUST = "tenants/system/keys/trust-bundle"


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


def test_a_rehearsal_says_what_an_update_loosens(admin: Client) -> None:
    rotation = RotationPolicy(period=timedelta(days=30), publish_lead=timedelta(days=2), verify_tail=timedelta(days=90))
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
    limits = UsageLimits(per_second=100, total=1000, not_after=end)
    name = fresh_name()
    made = admin.keys.create(name, rotation=rotation, usage_limits=limits, destroy_wait=timedelta(days=7))
    looser = admin.keys.rehearse_update(
        name,
        rotation=RotationPolicy(),
        usage_limits=UsageLimits(per_second=101, not_after=end + timedelta(days=1)),
        destroy_wait=timedelta(days=1),
    )
    assert set(looser.loosened) == {
        "rotation.period",
        "rotation.publish_lead",
        "rotation.verify_tail",
        "usage_limits.per_second",
        "usage_limits.total",
        "usage_limits.not_after",
        "destroy_wait",
    }
    assert (len(looser.parameters_sha256), looser.approvals_needed) == (32, 0)
    assert looser.key.destroy_wait == timedelta(days=1)
    assert admin.keys.get(name) == admin.keys.get(made.name)
    assert admin.keys.get(name).etag == made.etag, "nothing was changed"
    stricter = admin.keys.rehearse_update(name, usage_limits=UsageLimits(per_second=1, total=1, not_after=end))
    assert (stricter.loosened, stricter.parameters_sha256) == ((), b"")


def test_an_update_may_name_its_proposal_and_then_it_must_fit(admin: Client, client_under_test) -> None:
    name, bob = fresh_name(), client_under_test(name="bob")
    admin.keys.create(name, destroy_wait=timedelta(days=7))
    wanted = {"destroy_wait": timedelta(days=1)}
    rehearsal = admin.keys.rehearse_update(name, **wanted)
    made = admin.approvals.propose("POLICY_CHANGE", name, parameters_sha256=rehearsal.parameters_sha256)
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.update(name, **wanted, proposal=made.name)
    assert refused.value.reason == "PROPOSAL_NOT_APPROVED"
    bob.approvals.approve(made)
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.update(name, destroy_wait=timedelta(days=2), proposal=made.name)
    assert refused.value.reason == "PROPOSAL_NOT_APPROVED", "approved was another wait"
    assert admin.keys.update(name, **wanted, proposal=made.name).destroy_wait == timedelta(days=1)


def test_the_services_own_keys_are_listed(admin: Client, client_under_test) -> None:
    own = {key.name.rpartition("/")[2]: key.purpose for key in admin.keys.list(own=True)}
    assert own["import"] is KeyPurpose.IMPORT
    assert {own[name] for name in ("trust-bundle", "revocation-events", "envelope-keys")} == {KeyPurpose.SERVICE}
    assert {key.name for key in client_under_test("auditor").keys.list(own=True, page_size=1)} == {
        f"tenants/system/keys/{name}" for name in own
    }
    assert not [key for key in admin.keys.list() if key.purpose.value in {"SERVICE", "IMPORT"}]


def test_a_service_key_is_rotated_with_an_overlap(admin: Client, client_under_test) -> None:
    now = datetime.now(UTC)
    first = admin.trust.fetch()
    known = first.verify(admin.trust.service_keys(), tenant="default", now=now)
    old = admin.keys.get(TRUST)
    rotated = admin.keys.rotate(TRUST) if old.next_version is None else old
    waiting = rotated.next_version
    assert waiting is not None, "the keys that sign for the service always have a lead"
    assert waiting.activate_time is not None
    assert waiting.activate_time - now > timedelta(days=7), "longer than a bundle is good for"
    between = admin.trust.fetch().verify(known.service_keys(), tenant="default", now=now, newest_seen=known.sequence)
    assert waiting.name in between.service_keys(), "known before it signs"
    admin.keys.change_state(waiting.name, "ACTIVATE")
    after = admin.trust.fetch()
    assert after.signature.key_version == waiting.name
    with pytest.raises(Exception, match="not among the trusted keys"):
        after.verify({old.primary_version: known.service_keys()[old.primary_version]}, tenant="default", now=now)
    newest = after.verify(between.service_keys(), tenant="default", now=now, newest_seen=between.sequence)
    again = first.verify(newest.service_keys(), tenant="default", now=now)
    assert again.sequence == first.sequence, "old bundles still verify with what the newest one says"


def test_the_import_key_is_rotated_and_what_was_sealed_before_still_opens(admin: Client, client_under_test) -> None:
    bob, before = client_under_test(name="bob"), admin.keys.wrapping_key()
    made = admin.keys.create(fresh_name(), export_policy="WRAPPED")
    proposal = admin.approvals.propose("EXPORT", made.primary_version, parameters_sha256=before.recipient.sha256)
    bob.approvals.approve(proposal)
    exported = admin.keys.export(made.primary_version, before.recipient, proposal=proposal.name)
    admin.keys.rotate("tenants/system/keys/import")
    assert admin.keys.wrapping_key().name != before.name
    admin.keys.import_key(
        fresh_name(),
        algorithm=exported.algorithm,
        envelope=exported.envelope,
        wrapping_key=before.name,
        public_key=exported.public_key,
        exported_as=exported.name,
    )


def test_own_keys_are_replaced_never_just_stopped(admin: Client) -> None:
    version = admin.keys.get("tenants/system/keys/envelope-keys").primary_version
    for action in ("SUSPEND", "DEACTIVATE"):
        with pytest.raises(FailedPrecondition) as refused:
            admin.keys.change_state(version, action)
        assert refused.value.reason == "STATE_TRANSITION_INVALID"
    assert admin.keys.get("tenants/system/keys/envelope-keys").versions[0].state is KeyVersionState.ACTIVE
    with pytest.raises((FailedPrecondition, NotFound)):
        admin.signing.sign("tenants/system/keys/import", b"m")


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_only_operators_rotate_them(client_under_test, role) -> None:
    with pytest.raises(PermissionDenied):
        client_under_test(role).keys.rotate(TRUST)
