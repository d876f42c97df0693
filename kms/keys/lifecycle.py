"""The life of key versions (NIST SP 800-57 part 1 revision 5, section 7), as pure functions from key to key.

PRE_ACTIVE         -> ACTIVE | DESTROY_SCHEDULED | COMPROMISED
ACTIVE             -> SUSPENDED | DEACTIVATED | COMPROMISED
SUSPENDED          -> ACTIVE | DEACTIVATED | COMPROMISED
DEACTIVATED        -> DESTROY_SCHEDULED | COMPROMISED
COMPROMISED        -> DESTROY_SCHEDULED
DESTROY_SCHEDULED  -> the state before | DESTROYED
DESTROYED          final; that it was compromised may still be recorded

A revocation for another reason than compromise deactivates, whatever came before (`revoked`). Of a key at most one
version is ACTIVE; it is the primary one. Functions raise FailedPrecondition with what to do instead.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import KeyVersionName
from kms.keys.model import Key, KeyVersion, KeyVersionState

S = KeyVersionState


class Action(StrEnum):
    """What an operator can ask for. The value is the verb, the log's event types say it in the past."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEACTIVATE = "deactivate"
    SCHEDULE_DESTROY = "schedule_destroy"
    RESTORE = "restore"


EVENT_TYPES: Final = {
    Action.ACTIVATE: "key-version.activated",
    Action.SUSPEND: "key-version.suspended",
    Action.RESUME: "key-version.resumed",
    Action.DEACTIVATE: "key-version.deactivated",
    Action.SCHEDULE_DESTROY: "key-version.destroy-scheduled",
    Action.RESTORE: "key-version.restored",
}
ALLOWED_FROM: Final = {
    Action.ACTIVATE: frozenset({S.PRE_ACTIVE}),
    Action.SUSPEND: frozenset({S.ACTIVE}),
    Action.RESUME: frozenset({S.SUSPENDED}),
    Action.DEACTIVATE: frozenset({S.ACTIVE, S.SUSPENDED}),
    Action.SCHEDULE_DESTROY: frozenset({S.PRE_ACTIVE, S.DEACTIVATED, S.COMPROMISED}),
    Action.RESTORE: frozenset({S.DESTROY_SCHEDULED}),
}


def acted(key: Key, number: int, action: Action, now: datetime) -> Key:
    """The key after an operator's action on one of its versions."""
    version = _find(key, number)
    if version.state not in ALLOWED_FROM[action]:
        raise _refused(version, f"is {version.state}: it can not {action}. Possible from: {_possible(action)}")
    match action:
        case Action.ACTIVATE:
            _refuse_revoked(key)
            return activated(key, number, now)
        case Action.SUSPEND:
            return _with(key, replace(version, state=S.SUSPENDED))
        case Action.RESUME:
            _refuse_revoked(key)
            return _resumed(key, version)
        case Action.DEACTIVATE:
            return _with(key, replace(version, state=S.DEACTIVATED, deactivate_time=now))
        case Action.SCHEDULE_DESTROY:
            scheduled = replace(
                version,
                state=S.DESTROY_SCHEDULED,
                state_before=version.state,
                destroy_time=now + key.settings.destroy_wait,
            )
            return _with(key, scheduled)
        case Action.RESTORE:
            return _with(key, _restored(version, now))
        case _:
            assert_never(action)


def activated(key: Key, number: int, now: datetime) -> Key:
    """The version becomes the primary one; the one before it is rotated out."""
    version = _find(key, number)
    others = [_rotated_out(other, now) for other in key.versions if other.state is S.ACTIVE]
    return _with(key, *others, replace(version, state=S.ACTIVE, activate_time=now))


def rotated(key: Key, version: KeyVersion) -> Key:
    """The key with a new version: ACTIVE from its start, or PRE_ACTIVE until its activate_time."""
    check_may_rotate(key)
    assert version.activate_time is not None, "a new version knows when it begins"
    begin = version.activate_time
    begins_now = version.state is S.ACTIVE
    others = [_rotated_out(other, begin) for other in key.versions if begins_now and other.state is S.ACTIVE]
    rest = _with(key, *others)
    grown = _with(replace(rest, versions=(version, *rest.versions)))
    return replace(grown, next_rotation_time=key.settings.rotation.next_after(begin))


def check_may_rotate(key: Key) -> None:
    """Raises FailedPrecondition: revoked, or the next version waits already."""
    _refuse_revoked(key)
    if key.next_version is not None:
        raise _refused(key.next_version, "waits to become active already; activate it, or schedule its destruction")


def revoked(key: Key, numbers: Collection[int], *, compromised: bool, effective_time: datetime, now: datetime) -> Key:
    """The key with these versions out of use for good. Nothing gets better: COMPROMISED stays so, early times stay."""
    changed = []
    for number in numbers:
        version = _find(key, number)
        version = _compromised(version, effective_time) if compromised else _withdrawn(version)
        ended = version.deactivate_time or now
        revoke_time = min(version.revoke_time or effective_time, effective_time)
        changed.append(replace(version, deactivate_time=ended, revoke_time=revoke_time))
    return _with(key, *changed)


def destroyed(key: Key, number: int, now: datetime) -> Key:
    """The private half is gone; the public key stays."""
    version = _find(key, number)
    if version.state is not S.DESTROY_SCHEDULED:
        raise _refused(version, f"is {version.state}, not scheduled for destruction")
    return _with(key, replace(version, state=S.DESTROYED, destroy_time=now, state_before=None, material=None))


def rescheduled(key: Key, now: datetime) -> Key:
    """The key with its next rotation as its policy says now, counted from when its newest version begins or began."""
    living = [version for version in key.versions if version.state in {S.ACTIVE, S.PRE_ACTIVE}]
    begin = max((version.activate_time or version.create_time for version in living), default=now)
    planned = key.settings.rotation.next_after(begin)
    return replace(key, next_rotation_time=None if planned is None else max(planned, now))


def straightened(key: Key, now: datetime) -> Key:
    """The key without beginnings and ends that a clock wrote while it was ahead, and with its schedule from there."""
    versions = [version for version in key.versions if version.state is not S.PRE_ACTIVE]
    return rescheduled(_with(key, *(_until(version, now) for version in versions)), now)


def with_creation(key: Key, version: KeyVersionName, event_key: str) -> Key:
    """The key, one version of it with the log entry of its making."""
    made = _find(key, version.version)
    return _with(key, replace(made, creation_event=event_key))


def check_own(key: Key, action: Action) -> None:
    """One of the service's own keys is replaced, never just stopped: nothing could be signed or brought in any more."""
    if key.purpose.is_own and action in {Action.SUSPEND, Action.DEACTIVATE}:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID,
            f"{key.name} is the service's own and can not be left without a version; rotate it instead",
            resource=str(key.name),
        )


def _find(key: Key, number: int) -> KeyVersion:
    version = key.version(number)
    if version is None:
        raise not_found(str(KeyVersionName(key.name.tenant, key.name.key, number)))
    return version


def _with(key: Key, *changed: KeyVersion) -> Key:
    """These versions replaced, and the primary one found again."""
    by_number = {version.name.version: version for version in changed}
    versions = tuple(by_number.get(version.name.version, version) for version in key.versions)
    primary = next((version.name.version for version in versions if version.state is S.ACTIVE), None)
    return replace(key, versions=versions, primary=primary)


def _until(version: KeyVersion, now: datetime) -> KeyVersion:
    begin, end = version.activate_time, version.deactivate_time
    return replace(
        version,
        activate_time=None if begin is None else min(begin, now),
        deactivate_time=None if end is None else min(end, now),
    )


def _rotated_out(version: KeyVersion, now: datetime) -> KeyVersion:
    return replace(version, state=S.DEACTIVATED, deactivate_time=now)


def _resumed(key: Key, version: KeyVersion) -> Key:
    signing = next((other for other in key.versions if other.state is S.ACTIVE), None)
    if signing is not None:
        raise _refused(version, f"can not resume while {signing.name} signs; suspend or deactivate that one first")
    return _with(key, replace(version, state=S.ACTIVE))


def _restored(version: KeyVersion, now: datetime) -> KeyVersion:
    """A version that waited waits again, but for an operator: its own time may have passed meanwhile."""
    if version.destroying or version.destroy_time is None or now >= version.destroy_time:
        raise _refused(version, "can not be restored: its waiting period is over")
    before = version.state_before or S.DEACTIVATED
    activate_time = None if before is S.PRE_ACTIVE else version.activate_time
    return replace(version, state=before, state_before=None, destroy_time=None, activate_time=activate_time)


def _compromised(version: KeyVersion, since: datetime) -> KeyVersion:
    since = min(version.compromise_time or since, since)
    match version.state:
        case S.DESTROYED:
            return replace(version, compromise_time=since)
        case S.DESTROY_SCHEDULED:
            return replace(version, compromise_time=since, state_before=S.COMPROMISED)
        case _:
            return replace(version, compromise_time=since, state=S.COMPROMISED)


def _withdrawn(version: KeyVersion) -> KeyVersion:
    match version.state:
        case S.DESTROYED | S.COMPROMISED:
            return version
        case S.DESTROY_SCHEDULED:
            before = version.state_before if version.state_before is S.COMPROMISED else S.DEACTIVATED
            return replace(version, state_before=before)
        case _:
            return replace(version, state=S.DEACTIVATED)


def _refuse_revoked(key: Key) -> None:
    if key.revoke_time is not None:
        raise FailedPrecondition(
            Reason.KEY_REVOKED, f"{key.name} was revoked; create a new key", resource=str(key.name)
        )


def _refused(version: KeyVersion, what: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{version.name} {what}", resource=str(version.name))


def _possible(action: Action) -> str:
    return ", ".join(sorted(ALLOWED_FROM[action]))
