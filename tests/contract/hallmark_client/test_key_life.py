import uuid
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import (
    Aborted,
    Client,
    ExportPolicy,
    FailedPrecondition,
    InvalidArgument,
    KeyVersionAction,
    KeyVersionState,
    NotFound,
    PermissionDenied,
    RotationPolicy,
    UsageLimits,
)

S = KeyVersionState
A = KeyVersionAction


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def name(admin: Client) -> str:
    name = fresh_name()
    admin.keys.create(name)
    return name


def states(admin: Client, name: str) -> list[KeyVersionState]:
    """Newest first."""
    return [version.state for version in admin.keys.get(name).versions]


def test_a_version_is_suspended_and_resumed(admin: Client, name: str) -> None:
    suspended = admin.keys.change_state(f"{name}/versions/1", A.SUSPEND)
    assert (suspended.primary_version, suspended.versions[0].state) == ("", S.SUSPENDED)
    with pytest.raises(FailedPrecondition) as refused:
        admin.signing.sign(name, b"m")
    assert refused.value.reason == "KEY_VERSION_NOT_ACTIVE"
    resumed = admin.keys.change_state(f"{name}/versions/1", "resume")
    assert resumed.primary_version.endswith("/1")
    assert admin.signing.sign(name, b"m").key_version == resumed.primary_version


def test_destruction_waits_and_can_be_called_off(admin: Client, name: str) -> None:
    version = f"{name}/versions/1"
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.change_state(version, A.SCHEDULE_DESTROY)
    assert refused.value.reason == "STATE_TRANSITION_INVALID", "first it has to stop signing"
    admin.keys.change_state(version, A.DEACTIVATE)
    scheduled = admin.keys.change_state(version, A.SCHEDULE_DESTROY)
    (there,) = scheduled.versions
    assert there.state is S.DESTROY_SCHEDULED
    assert there.destroy_time is not None
    assert timedelta(days=29) < there.destroy_time - datetime.now(UTC) < timedelta(days=31)
    restored = admin.keys.change_state(version, A.RESTORE)
    assert (restored.versions[0].state, restored.versions[0].destroy_time) == (S.DEACTIVATED, None)


def test_what_can_not_be_is_refused_and_changes_nothing(admin: Client, name: str) -> None:
    for action in (A.ACTIVATE, A.RESUME, A.RESTORE, A.SCHEDULE_DESTROY):
        with pytest.raises(FailedPrecondition) as refused:
            admin.keys.change_state(f"{name}/versions/1", action)
        assert refused.value.reason == "STATE_TRANSITION_INVALID"
    assert states(admin, name) == [S.ACTIVE]
    with pytest.raises(NotFound):
        admin.keys.change_state(f"{name}/versions/9", A.SUSPEND)
    with pytest.raises(InvalidArgument):
        admin.keys.change_state(name, A.SUSPEND)


def test_a_change_of_state_is_not_repeated_by_its_retry(admin: Client, name: str) -> None:
    request_id = str(uuid.uuid4())
    first = admin.keys.change_state(f"{name}/versions/1", A.SUSPEND, request_id=request_id)
    again = admin.keys.change_state(f"{name}/versions/1", A.SUSPEND, request_id=request_id)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.log is not None
    assert again.log is not None
    assert first.log.event_key == again.log.event_key


def test_a_rotation_with_a_lead_is_published_before_it_signs(admin: Client, name: str) -> None:
    rotated = admin.keys.rotate(name, lead=timedelta(hours=2))
    assert rotated.primary_version.endswith("/1")
    waiting = rotated.next_version
    assert waiting is not None
    assert waiting.name.endswith("/2")
    assert waiting.activate_time is not None
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.rotate(name, lead=timedelta(hours=2))
    assert refused.value.reason == "STATE_TRANSITION_INVALID"
    activated = admin.keys.change_state(waiting.name, A.ACTIVATE)
    assert activated.primary_version == waiting.name
    assert states(admin, name) == [S.ACTIVE, S.DEACTIVATED]


def test_a_rotation_without_a_lead_takes_the_version_that_waits(admin: Client, name: str) -> None:
    admin.keys.rotate(name, lead=timedelta(hours=2))
    assert admin.keys.rotate(name, lead=timedelta(0)).primary_version.endswith("/2")
    assert len(admin.keys.get(name).versions) == 2


def test_a_rehearsal_changes_nothing(admin: Client, name: str) -> None:
    before = admin.keys.get(name)
    at_once = admin.keys.rehearse_rotation(name)
    assert at_once.key.primary_version.endswith("/2")
    later = admin.keys.rehearse_rotation(name, lead=timedelta(hours=1))
    assert later.key.primary_version.endswith("/1")
    assert later.readiness.next_version.endswith("/2")
    assert later.readiness.bundle_sequence == 0, "no bundle holds what was not made"
    assert admin.keys.get(name) == before
    with pytest.raises(Aborted):
        admin.keys.rehearse_rotation(name, etag="something-else")


def test_a_compromised_version_stops_and_the_key_goes_on_with_a_new_one(admin: Client, name: str) -> None:
    old = admin.keys.get(name).primary_version
    since = datetime.now(UTC) - timedelta(days=3)
    outcome = admin.keys.report_compromise(old, compromise_time=since)
    assert outcome.key.primary_version.endswith("/2")
    assert states(admin, name) == [S.ACTIVE, S.COMPROMISED]
    stopped = outcome.key.versions[1]
    assert stopped.compromise_time == stopped.revoke_time
    assert abs((stopped.revoke_time or datetime.now(UTC)) - since) < timedelta(seconds=1)
    (event,) = admin.revocations.list(old)
    assert (event.name,) == outcome.revocations
    assert event.reason == "KEY_COMPROMISE"
    assert admin.signing.sign(name, b"m").key_version == outcome.key.primary_version


def test_a_key_that_was_stopped_is_not_started_by_a_report_of_an_old_version(admin: Client, name: str) -> None:
    new = admin.keys.rotate(name).primary_version
    admin.keys.change_state(new, A.SUSPEND)
    outcome = admin.keys.report_compromise(f"{name}/versions/1")
    assert not outcome.key.primary_version
    assert states(admin, name) == [S.SUSPENDED, S.COMPROMISED]


def test_a_whole_key_is_reported_with_all_its_versions(admin: Client, name: str) -> None:
    admin.keys.rotate(name)
    admin.keys.rotate(name, lead=timedelta(hours=1))
    request_id = str(uuid.uuid4())
    outcome = admin.keys.report_compromise(name, request_id=request_id)
    assert len(outcome.revocations) == 3
    assert outcome.key.primary_version.endswith("/4")
    assert states(admin, name) == [S.ACTIVE, S.COMPROMISED, S.COMPROMISED, S.COMPROMISED]
    again = admin.keys.report_compromise(name, request_id=request_id)
    assert (again.replayed, again.revocations) == (True, outcome.revocations)
    assert len(admin.keys.get(name).versions) == 4


def test_a_compromise_in_the_future_is_refused(admin: Client, name: str) -> None:
    with pytest.raises(InvalidArgument):
        admin.keys.report_compromise(name, compromise_time=datetime.now(UTC) + timedelta(hours=1))
    assert states(admin, name) == [S.ACTIVE]


def test_settings_are_kept_and_changed_one_by_one(admin: Client) -> None:
    name = fresh_name()
    rotation = RotationPolicy(period=timedelta(days=30), publish_lead=timedelta(days=2), verify_tail=timedelta(days=90))
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
    limits = UsageLimits(per_second=100, total=1_000_000, not_after=end)
    made = admin.keys.create(
        name, rotation=rotation, usage_limits=limits, destroy_wait=timedelta(days=7), export_policy="WRAPPED"
    )
    assert made.rotation.next_rotation_time is not None
    assert timedelta(days=27) < made.rotation.next_rotation_time - datetime.now(UTC) < timedelta(days=29)
    assert (made.usage_limits, made.destroy_wait, made.export_policy) == (limits, timedelta(days=7), "WRAPPED")
    changed = admin.keys.update(name, labels={"a": "b"}, rotation=RotationPolicy(), etag=made.etag)
    assert (changed.labels, changed.rotation) == ({"a": "b"}, RotationPolicy())
    assert (changed.usage_limits, changed.destroy_wait) == (limits, timedelta(days=7))
    assert admin.keys.update(name, usage_limits=UsageLimits()).usage_limits == UsageLimits()
    with pytest.raises(Aborted):
        admin.keys.update(name, labels={}, etag=made.etag)


def test_export_can_be_forbidden_but_not_allowed_again(admin: Client) -> None:
    name = fresh_name()
    assert admin.keys.create(name, export_policy=ExportPolicy.WRAPPED).export_policy is ExportPolicy.WRAPPED
    assert admin.keys.update(name, export_policy=ExportPolicy.NEVER).export_policy is ExportPolicy.NEVER
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.update(name, export_policy=ExportPolicy.WRAPPED)
    assert refused.value.reason == "EXPORT_FORBIDDEN"


@pytest.mark.parametrize(
    "rotation",
    [
        RotationPolicy(period=timedelta(minutes=5)),
        RotationPolicy(period=timedelta(days=2), publish_lead=timedelta(days=2)),
        RotationPolicy(publish_lead=timedelta(seconds=-1)),
    ],
)
def test_a_rotation_that_can_not_work_is_refused(admin: Client, name: str, rotation: RotationPolicy) -> None:
    with pytest.raises(InvalidArgument):
        admin.keys.update(name, rotation=rotation)


def test_an_update_of_nothing_is_a_mistake(admin: Client, name: str) -> None:
    with pytest.raises(InvalidArgument):
        admin.keys.update(name)


def test_an_alias_can_be_pointed_elsewhere(admin: Client, name: str) -> None:
    other, alias = fresh_name(), fresh_name()
    admin.keys.create(other)
    made = admin.aliases.set(alias, name)
    assert made.key.endswith(name)
    assert admin.keys.get(name).aliases == (made.name,)
    assert admin.signing.sign(f"aliases/{alias}", b"m").key_version == f"tenants/default/keys/{name}/versions/1"
    moved = admin.aliases.set(alias, other, etag=made.etag)
    assert moved.etag != made.etag
    signature = admin.signing.sign(f"aliases/{alias}", b"m")
    assert signature.key_version == f"tenants/default/keys/{other}/versions/1"
    assert admin.keys.public_key(f"aliases/{alias}").name == signature.key_version
    with pytest.raises(Aborted):
        admin.aliases.set(alias, name, etag=made.etag)
    assert alias in {each.name.rpartition("/")[2] for each in admin.aliases.list(page_size=1)}
    admin.aliases.delete(alias)
    with pytest.raises(NotFound) as refused:
        admin.signing.sign(f"aliases/{alias}", b"m")
    assert refused.value.reason == "ALIAS_NOT_FOUND"
    assert admin.keys.get(other).aliases == ()


def test_an_alias_names_a_key_that_is_there(admin: Client) -> None:
    with pytest.raises(NotFound):
        admin.aliases.set(fresh_name(), fresh_name())
    with pytest.raises(NotFound):
        admin.aliases.delete(fresh_name())
    with pytest.raises(NotFound):
        admin.aliases.set(fresh_name(), "tenants/system/keys/revocation-events")


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_only_an_admin_moves_keys_along(client_under_test, role) -> None:
    client = client_under_test(role)
    for attempt in (
        lambda: client.keys.change_state("k/versions/1", A.SUSPEND),
        lambda: client.keys.report_compromise("k"),
        lambda: client.keys.update("k", labels={}),
        lambda: client.aliases.set("a", "k"),
        lambda: client.aliases.delete("a"),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
