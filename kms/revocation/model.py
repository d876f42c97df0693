"""Revocations: what is taken back, why, and what a watcher is sent."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kms.core.clock import format_time
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ChildName, DigestName, KeyName, KeyVersionName, NumberName, parse_key_or_version
from kms.events.model import InitiatingEntity, Position, anchor_of
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

HEARTBEAT_CONTEXT = "hallmark/heartbeat/v1"
CLOCK_SKEW = timedelta(seconds=60)
"""How far a caller's clock may be ahead of ours."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing that can be revoked is older."""

Subject = KeyName | KeyVersionName | ChildName | DigestName | NumberName
"""What can be revoked: a key, one of its versions, a device, a verdict, a consent, an artifact, an anchor, a policy."""

_BY_UUID = frozenset({"devices", "verdicts", "consents"})
_BY_DIGEST = frozenset({"artifacts", "anchors"})


def parse_subject(text: str, field: str = "subject") -> Subject:
    """Raises InvalidArgument/NAME_INVALID for anything that is not the name of something revocable."""
    match text.split("/")[2:3]:
        case ["keys"]:
            return parse_key_or_version(text, field)
        case ["policies"]:
            return NumberName.parse(text, "policies", field)
        case [collection] if collection in _BY_UUID:
            return ChildName.parse(text, collection, field)
        case [collection] if collection in _BY_DIGEST:
            return DigestName.parse(text, collection, field)
        case _:
            raise InvalidArgument(
                Reason.NAME_INVALID,
                f"{field} must be tenants/{{tenant}}/ and keys/{{key}}, keys/{{key}}/versions/{{number}}, "
                "devices/{device}, verdicts/{verdict}, consents/{consent}, artifacts/{sha256}, anchors/{sha256} or "
                "policies/{number}",
                field=field,
            )


class RevocationReason(StrEnum):
    """Closed list; the names follow CRLReason (RFC 5280, section 5.3.1) where it has one."""

    KEY_COMPROMISE = "KEY_COMPROMISE"
    SUPERSEDED = "SUPERSEDED"
    CESSATION_OF_OPERATION = "CESSATION_OF_OPERATION"
    DEVICE_LOST = "DEVICE_LOST"
    DEVICE_COMPROMISED = "DEVICE_COMPROMISED"
    POLICY_VIOLATION = "POLICY_VIOLATION"
    WITHDRAWN = "WITHDRAWN"

    @property
    def secret_may_be_known(self) -> bool:
        """Then a key version becomes COMPROMISED, not merely DEACTIVATED (SP 800-57 part 1, section 7)."""
        return self in {RevocationReason.KEY_COMPROMISE, RevocationReason.DEVICE_COMPROMISED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The decision before it is signed. `id` (UUIDv7) is also the jti of the event and the key of its log entry."""

    id: str
    subject: Subject
    reason: RevocationReason
    event_time: datetime
    effective_time: datetime
    initiating_entity: InitiatingEntity

    @property
    def name(self) -> ChildName:
        return ChildName(self.subject.tenant, "revocations", self.id)


class AssuranceLevel(StrEnum):
    """What the newest judgement of a device says (CAEP 1.0, section 3.4), in our own namespace."""

    APPRAISED = "appraised"
    NOT_APPRAISED = "not-appraised"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssuranceChange:
    """A device lost its positive appraisal, or has it again, because something it rests on changed. Nothing is revoked.

    `id` (UUIDv7) as in Revocation. `verdict` is the name of the new verdict.
    """

    id: str
    subject: ChildName
    verdict: str
    current: AssuranceLevel
    previous: AssuranceLevel
    event_time: datetime
    initiating_entity: InitiatingEntity = InitiatingEntity.POLICY

    @property
    def effective_time(self) -> datetime:
        """At once: that of the event."""
        return self.event_time

    @property
    def name(self) -> ChildName:
        return ChildName(self.subject.tenant, "revocations", self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationEvent:
    """What stands in the feed: decision, signed bytes, signature, log promise.

    `sequence` counts 1, 2, 3... per tenant in commit order and without gaps.
    """

    revocation: Revocation | AssuranceChange
    sequence: int
    payload: bytes
    signature: ServiceSignature
    promise: LogPromise


def after(position: Position, event: RevocationEvent) -> Position:
    """The place after the event, in the history of `position`."""
    anchor = anchor_of(event.revocation.id)
    return Position(position.tenant, position.feed, position.epoch, event.sequence, anchor)


@dataclass(frozen=True, slots=True)
class EventFrame:
    """One event."""

    event: RevocationEvent
    position: Position


@dataclass(frozen=True, slots=True)
class BookmarkFrame:
    """Commit point: everything up to `position` has been sent."""

    position: Position


@dataclass(frozen=True, slots=True)
class HeartbeatFrame:
    """A sign of life. With a nonce it is signed over it: proof that it was made now, for this watcher."""

    position: Position
    server_time: datetime
    next_in_seconds: float
    payload: bytes
    signature: ServiceSignature | None


@dataclass(frozen=True, slots=True)
class GoodbyeFrame:
    """The server is about to close. Come back after a random delay between the two, so that not all come at once."""

    position: Position
    reason: str
    retry_after_min_seconds: float
    retry_after_max_seconds: float


Frame = EventFrame | BookmarkFrame | HeartbeatFrame | GoodbyeFrame


def effective_from(asked: datetime | None, now: datetime, *, field: str = "effective_time") -> datetime:
    """When the subject stops being trusted: what was asked, or now. Raises InvalidArgument outside 2000 to now.

    A permission that ends later is a lease with an end, not a revocation.
    """
    if asked is None:
        return now
    if asked > now + CLOCK_SKEW:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"{field} is in the future (it is {format_time(now)} here); leave it out to revoke at once",
            field=field,
        )
    if asked < EARLIEST:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} is before the year 2000; check its unit", field=field)
    return min(asked, now)
