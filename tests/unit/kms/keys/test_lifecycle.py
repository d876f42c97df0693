"""The rules one by one; tests/property/kms/keys holds them against each other."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kms.core.errors import FailedPrecondition, NotFound, Reason
from kms.keys.lifecycle import Action, acted, destroyed, rescheduled, revoked, rotated
from kms.keys.model import Key
from kms.keys.model import KeyVersionState as S
from kms.keys.policies import KeySettings, RotationPolicy
from support.clock import START
from support.key_life_model import key_of_one_version, next_version

ALLOWED = {
    (S.PRE_ACTIVE, Action.ACTIVATE): S.ACTIVE,
    (S.ACTIVE, Action.SUSPEND): S.SUSPENDED,
    (S.SUSPENDED, Action.RESUME): S.ACTIVE,
    (S.ACTIVE, Action.DEACTIVATE): S.DEACTIVATED,
    (S.SUSPENDED, Action.DEACTIVATE): S.DEACTIVATED,
    (S.PRE_ACTIVE, Action.SCHEDULE_DESTROY): S.DESTROY_SCHEDULED,
    (S.DEACTIVATED, Action.SCHEDULE_DESTROY): S.DESTROY_SCHEDULED,
    (S.COMPROMISED, Action.SCHEDULE_DESTROY): S.DESTROY_SCHEDULED,
    (S.DESTROY_SCHEDULED, Action.RESTORE): S.DEACTIVATED,
}


def key_in(state: S) -> Key:
    """One version in that state, as it comes about."""
    key = key_of_one_version(START)
    version = key.versions[0]
    later = START + timedelta(days=30)
    more = {"state_before": S.DEACTIVATED, "destroy_time": later} if state is S.DESTROY_SCHEDULED else {}
    primary = 1 if state is S.ACTIVE else None
    return replace(key, primary=primary, versions=(replace(version, state=state, **more),))


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("action", list(Action))
def test_every_action_in_every_state(state: S, action: Action) -> None:
    key = key_in(state)
    if (state, action) not in ALLOWED:
        with pytest.raises(FailedPrecondition) as refused:
            acted(key, 1, action, START)
        assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
        return
    after = acted(key, 1, action, START)
    assert after.versions[0].state is ALLOWED[state, action]
    assert after.primary == (1 if after.versions[0].state is S.ACTIVE else None)


def test_two_versions_never_sign() -> None:
    suspended = acted(key_in(S.ACTIVE), 1, Action.SUSPEND, START)
    grown = rotated(suspended, next_version(suspended, START, timedelta(0)))
    assert grown.primary == 2
    with pytest.raises(FailedPrecondition, match="versions/2 signs"):
        acted(grown, 1, Action.RESUME, START)
    assert acted(acted(grown, 2, Action.SUSPEND, START), 1, Action.RESUME, START).primary == 1


def test_a_version_that_waits_takes_over_and_the_old_one_is_rotated_out() -> None:
    key = key_in(S.ACTIVE)
    waiting = rotated(key, next_version(key, START, timedelta(hours=1)))
    assert (waiting.primary, waiting.next_version) == (1, waiting.versions[0])
    with pytest.raises(FailedPrecondition, match="waits"):
        rotated(waiting, next_version(waiting, START, timedelta(hours=1)))
    after = acted(waiting, 2, Action.ACTIVATE, START)
    assert after.primary == 2
    assert (after.versions[1].state, after.versions[1].deactivate_time) == (S.DEACTIVATED, START)


def test_a_restored_version_that_waited_waits_for_an_operator() -> None:
    key = key_in(S.ACTIVE)
    key = rotated(key, next_version(key, START, timedelta(hours=1)))
    key = acted(acted(key, 2, Action.SCHEDULE_DESTROY, START), 2, Action.RESTORE, START)
    assert (key.versions[0].state, key.versions[0].activate_time) == (S.PRE_ACTIVE, None)


def test_nothing_is_restored_when_its_time_is_over_or_the_destroyer_has_begun() -> None:
    key = key_in(S.DESTROY_SCHEDULED)
    with pytest.raises(FailedPrecondition, match="waiting period is over"):
        acted(key, 1, Action.RESTORE, START + timedelta(days=30))
    begun = replace(key, versions=(replace(key.versions[0], destroying=True),))
    with pytest.raises(FailedPrecondition, match="waiting period is over"):
        acted(begun, 1, Action.RESTORE, START)


def test_that_a_destroyed_version_was_compromised_is_still_recorded() -> None:
    gone = destroyed(key_in(S.DESTROY_SCHEDULED), 1, START)
    after = revoked(gone, [1], compromised=True, effective_time=START, now=START)
    assert (after.versions[0].state, after.versions[0].compromise_time) == (S.DESTROYED, START)
    assert after.versions[0].material is None


def test_a_revoked_key_is_neither_rotated_nor_resumed() -> None:
    key = replace(key_in(S.SUSPENDED), revoke_time=START)
    for attempt in (
        lambda: acted(key, 1, Action.RESUME, START),
        lambda: rotated(key, next_version(key, START, timedelta(0))),
    ):
        with pytest.raises(FailedPrecondition) as refused:
            attempt()
        assert refused.value.reason is Reason.KEY_REVOKED


def test_a_version_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        acted(key_in(S.ACTIVE), 7, Action.SUSPEND, START)


def test_the_schedule_counts_from_when_a_version_begins_and_leaves_room_for_the_lead() -> None:
    rotation = RotationPolicy(period=timedelta(days=10), publish_lead=timedelta(days=2))
    key = replace(key_in(S.ACTIVE), settings=KeySettings(rotation=rotation))
    assert rescheduled(key, START).next_rotation_time == START + timedelta(days=8)
    assert rescheduled(key, START + timedelta(days=30)).next_rotation_time == START + timedelta(days=30), "overdue: now"
    grown = rotated(key, next_version(key, START, timedelta(days=2)))
    assert grown.next_rotation_time == START + timedelta(days=2 + 8)
