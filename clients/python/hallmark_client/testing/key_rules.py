"""The life of key versions in the fake (NIST SP 800-57 part 1, section 7), on wire messages."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import keys_pb2
from hallmark_client.testing.refusals import invalid, precondition

PRE_ACTIVE: Final = keys_pb2.KEY_VERSION_STATE_PRE_ACTIVE
ACTIVE: Final = keys_pb2.KEY_VERSION_STATE_ACTIVE
SUSPENDED: Final = keys_pb2.KEY_VERSION_STATE_SUSPENDED
DEACTIVATED: Final = keys_pb2.KEY_VERSION_STATE_DEACTIVATED
COMPROMISED: Final = keys_pb2.KEY_VERSION_STATE_COMPROMISED
DESTROY_SCHEDULED: Final = keys_pb2.KEY_VERSION_STATE_DESTROY_SCHEDULED
DESTROYED: Final = keys_pb2.KEY_VERSION_STATE_DESTROYED

_FROM: Final[dict[Any, set[Any]]] = {
    keys_pb2.KEY_VERSION_ACTION_ACTIVATE: {PRE_ACTIVE},
    keys_pb2.KEY_VERSION_ACTION_SUSPEND: {ACTIVE},
    keys_pb2.KEY_VERSION_ACTION_RESUME: {SUSPENDED},
    keys_pb2.KEY_VERSION_ACTION_DEACTIVATE: {ACTIVE, SUSPENDED},
    keys_pb2.KEY_VERSION_ACTION_SCHEDULE_DESTROY: {PRE_ACTIVE, DEACTIVATED, COMPROMISED},
    keys_pb2.KEY_VERSION_ACTION_RESTORE: {DESTROY_SCHEDULED},
}

KeyVersion = keys_pb2.KeyVersion


class KeyRules:
    """Where a version was before its destruction was scheduled is remembered here; the rest is in the messages."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}

    def act(self, key: keys_pb2.Key, version: KeyVersion, action: Any, now: datetime) -> None:
        """Raises FailedPrecondition (STATE_TRANSITION_INVALID, KEY_REVOKED)."""
        if action not in _FROM:
            raise invalid("action", "is not one this server knows")
        if version.state not in _FROM[action]:
            state = keys_pb2.KeyVersionState.Name(version.state)
            raise precondition("STATE_TRANSITION_INVALID", f"{version.name} is {state}: this is not possible")
        match action:
            case keys_pb2.KEY_VERSION_ACTION_ACTIVATE:
                check_not_revoked(key)
                activate(key, version, now)
            case keys_pb2.KEY_VERSION_ACTION_SUSPEND:
                version.state = SUSPENDED
            case keys_pb2.KEY_VERSION_ACTION_RESUME:
                check_not_revoked(key)
                if any(other.state == ACTIVE for other in key.versions):
                    raise precondition("STATE_TRANSITION_INVALID", f"another version of {key.name} signs")
                version.state = ACTIVE
            case keys_pb2.KEY_VERSION_ACTION_DEACTIVATE:
                version.state = DEACTIVATED
                version.deactivate_time.CopyFrom(stamp(now))
            case keys_pb2.KEY_VERSION_ACTION_SCHEDULE_DESTROY:
                self._before[version.name] = version.state
                version.state = DESTROY_SCHEDULED
                version.destroy_time.CopyFrom(stamp(now + key.destroy_wait.ToTimedelta()))
            case _:
                self._restore(version, now)
        set_primary(key)

    def revoke(self, version: KeyVersion, *, compromised: bool, effective: datetime, now: datetime) -> None:
        if compromised:
            early = min(effective, _time(version, "compromise_time") or effective)
            version.compromise_time.CopyFrom(stamp(early))
        if version.state == DESTROY_SCHEDULED:
            if self._before[version.name] != COMPROMISED:
                self._before[version.name] = COMPROMISED if compromised else DEACTIVATED
        elif compromised and version.state != DESTROYED:
            version.state = COMPROMISED
        elif version.state not in {DESTROYED, COMPROMISED}:
            version.state = DEACTIVATED
        if not version.HasField("deactivate_time"):
            version.deactivate_time.CopyFrom(stamp(now))
        version.revoke_time.CopyFrom(stamp(min(effective, _time(version, "revoke_time") or effective)))

    def pass_time(self, key: keys_pb2.Key, now: datetime) -> bool:
        """Promotes and destroys what is due. True when something was."""
        changed = False
        for version in reversed(key.versions):
            begin, end = _time(version, "activate_time"), _time(version, "destroy_time")
            may_begin = version.state == PRE_ACTIVE and key.primary_version and not key.HasField("revoke_time")
            if may_begin and begin is not None and begin <= now:
                activate(key, version, now)
                changed = True
            elif version.state == DESTROY_SCHEDULED and end is not None and end <= now:
                version.state = DESTROYED
                changed = True
        set_primary(key)
        return changed

    def _restore(self, version: KeyVersion, now: datetime) -> None:
        end = _time(version, "destroy_time")
        if end is None or now >= end:
            raise precondition("STATE_TRANSITION_INVALID", f"{version.name}: its waiting period is over")
        version.state = self._before.pop(version.name)
        version.ClearField("destroy_time")
        if version.state == PRE_ACTIVE:
            version.ClearField("activate_time")


def activate(key: keys_pb2.Key, version: KeyVersion, now: datetime) -> None:
    """It becomes the primary version; the one before is rotated out."""
    for other in key.versions:
        if other.state == ACTIVE:
            other.state = DEACTIVATED
            other.deactivate_time.CopyFrom(stamp(now))
    version.state = ACTIVE
    version.activate_time.CopyFrom(stamp(now))
    set_primary(key)


def set_primary(key: keys_pb2.Key) -> None:
    key.primary_version = next((version.name for version in key.versions if version.state == ACTIVE), "")


def waiting_version(key: keys_pb2.Key) -> KeyVersion | None:
    return next((version for version in key.versions if version.state == PRE_ACTIVE), None)


def check_not_revoked(key: keys_pb2.Key) -> None:
    if key.HasField("revoke_time"):
        raise precondition("KEY_REVOKED", f"{key.name} was revoked; create a new key")


def plan_rotation(key: keys_pb2.Key, now: datetime) -> None:
    """When the next version is to be made, counted from when the newest one begins."""
    if not key.rotation.HasField("period"):
        key.rotation.ClearField("next_rotation_time")
        return
    living = [version for version in key.versions if version.state in {ACTIVE, PRE_ACTIVE}]
    begin = max((_time(version, "activate_time") or now for version in living), default=now)
    ahead: timedelta = key.rotation.period.ToTimedelta() - key.rotation.publish_lead.ToTimedelta()
    key.rotation.next_rotation_time.CopyFrom(stamp(max(begin + ahead, now)))


def stamp(moment: datetime) -> Timestamp:
    wire = Timestamp()
    wire.FromDatetime(moment)
    return wire


def _time(version: KeyVersion, field: str) -> datetime | None:
    return getattr(version, field).ToDatetime(tzinfo=UTC) if version.HasField(field) else None
