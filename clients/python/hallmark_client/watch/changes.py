"""What `on_change` is told: one object for each change of what holds, by what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hallmark_client.model.result import Result
from hallmark_client.watch.frames import Feed
from hallmark_events import types
from hallmark_events.canonical import parse_base64, parse_time
from hallmark_events.errors import EventInvalid
from hallmark_events.state_entry import Entry
from hallmark_events.types import StatusValue, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Result):
    """The status of `subject` (resource name) went from `before` to `after`; None: nothing known.

    At least once: after a crash the last ones come again with the same `jti`. `own`: the members of hallmark.v1 of the
    event (docs of hallmark_events.event_set); empty when no event says it.
    """

    feed: Feed
    subject: str
    before: StatusValue | None
    after: StatusValue | None
    jti: str
    uri: str
    own: Mapping[str, Any]

    @property
    def reason(self) -> str:
        """Code of the event, such as KEY_COMPROMISE; empty without one."""
        return str(self.own.get("reason", ""))


class Revoked(Change):
    """A key, device, verdict, artifact, policy or anchor is INVALID, for ever."""


class Suspended(Change):
    """Not to be used until a Restored of the same subject."""


class Restored(Change):
    """Valid again, proved by the log."""


class Granted(Change):
    """Valid, and was not known before: an anchor, a model."""


class Superseded(Change):
    """Versions below own["min_version"] are not to be used any more."""


class ConsentGiven(Change):
    """A person agreed, or agreed anew."""


class ConsentEnded(Change):
    """Withdrawn, refused or expired: the leases of this consent ended with it."""


class LeaseGranted(Change):
    """The device may use an artifact: see own, and `watch.decision`."""


class LeaseRenewed(Change):
    """The same lease runs longer."""


class LeaseEnded(Change):
    """own["action"]: "shred" or "suspend". Without an event: it is not told any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequested(Change):
    """Erase the artifact's key and copies before the deadline, and send the receipt over `nonce` (32 bytes)."""

    removal: str
    artifact: str
    consent: str
    deadline: datetime
    nonce: bytes


class KeyRotated(Change):
    """Fetch the trust bundle."""


class PolicyChanged(Change):
    """The appraisal policy is another one."""


class TrustRootChanged(Change):
    """A root of trust came or went."""


class Informed(Change):
    """Any other event."""


class Forgotten(Change):
    """A full transfer does not tell it any more, and it was valid."""


_BY_URI: Final[Mapping[str, type[Change]]] = {
    types.ARTIFACT_SUPERSEDED: Superseded,
    types.KEY_ROTATED: KeyRotated,
    types.POLICY_CHANGED: PolicyChanged,
    types.TRUST_ROOT_CHANGED: TrustRootChanged,
}
_TAKES: Final = frozenset({types.ARTIFACT_SUPERSEDED, types.DELETION_REQUESTED})
_ENDED: Final[Mapping[str, type[Change]]] = {"consents": ConsentEnded, "leases": LeaseEnded}


def change_of(feed: Feed, subject: str, before: Entry | None, entry: Entry) -> Change:
    """For an event that took effect."""
    facts = _facts(feed, subject, before, entry)
    if entry.uri == types.DELETION_REQUESTED and (asked := _deletion_of(entry)) is not None:
        return DeletionRequested(**facts, **asked)
    return _kind(subject, before, entry)(**facts)


def end_of(feed: Feed, subject: str, before: Entry) -> Change:
    """For what a full transfer tells no more."""
    kind = LeaseEnded if kind_of(subject) == "leases" else Forgotten
    return kind(feed=feed, subject=subject, before=before.status, after=None, jti=before.jti, uri=before.uri, own={})


def is_restrictive(change: Change) -> bool:
    """Whether it takes something away, and so is written before anybody is told of it."""
    return change.after is not StatusValue.VALID or change.uri in _TAKES


def _facts(feed: Feed, subject: str, before: Entry | None, entry: Entry) -> dict[str, Any]:
    known = None if before is None else before.status
    return {
        "feed": feed,
        "subject": subject,
        "before": known,
        "after": entry.status,
        "jti": entry.jti,
        "uri": entry.uri,
        "own": entry.own,
    }


def _kind(subject: str, before: Entry | None, entry: Entry) -> type[Change]:
    collection = kind_of(subject)
    match entry.status:
        case StatusValue.INVALID:
            return _ENDED.get(collection, Revoked)
        case StatusValue.SUSPENDED:
            return Suspended
        case StatusValue.VALID:
            pass
    if before is not None and before.status is not StatusValue.VALID:
        return Restored
    if entry.uri in _BY_URI:
        return _BY_URI[entry.uri]
    match collection:
        case "leases":
            return LeaseGranted if before is None else LeaseRenewed
        case "consents":
            return ConsentGiven
        case _:
            return Granted if before is None else Informed


def _deletion_of(entry: Entry) -> dict[str, Any] | None:
    """None when members are missing: then it is only Informed, and no receipt can be made for it."""
    own = entry.own
    texts = {name: own.get(name) for name in ("removal", "artifact", "consent")}
    if not all(isinstance(text, str) for text in texts.values()):
        return None
    try:
        deadline = parse_time(own.get("deadline"), what="deadline", refuse=EventInvalid)
        nonce = parse_base64(own.get("nonce"), what="nonce", refuse=EventInvalid)
    except EventInvalid:
        return None
    return {**texts, "deadline": deadline, "nonce": nonce}
