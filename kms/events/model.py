"""Events: what is taken back and what is granted, and where in which feed it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from hallmark_events import types
from kms.core.canonical import Json
from kms.core.identity import Role
from kms.core.names import ChildName
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

SIGNING_KEY_ID: Final = "revocation-events"
"""tenants/system/keys/revocation-events signs every event and heartbeat."""
EVENT_CONTEXT: Final = "hallmark/revocation-event/v1"
OWN_NAMESPACE: Final = "hallmark.v1"
ANCHOR_SIZE: Final = 9

ALL: Final = "all"
"""The outbox: everything of a tenant in commit order. No caller reads it; what distributes events does."""
REVOCATIONS: Final = "revocations"
"""Of the back office: revocations and changes of assurance, of whomever."""
GLOBAL: Final = "global"
"""What concerns everybody: the same bytes for all."""


STATELESS: Final = frozenset({ALL, REVOCATIONS})
"""Feeds that tell what happened; the others tell what is."""


def device_feed(device: ChildName) -> str:
    """The feed that this device alone reads."""
    assert device.collection == "devices"
    return f"devices/{device.id}"


Status: TypeAlias = types.StatusValue
"""Of a subject. INVALID is for ever."""
Priority: TypeAlias = types.Priority
"""What overtakes what."""


class InitiatingEntity(StrEnum):
    """Who began the act (CAEP 1.0, section 2: initiating_entity)."""

    ADMIN = "admin"
    USER = "user"
    POLICY = "policy"
    SYSTEM = "system"

    @classmethod
    def of(cls, role: Role) -> "InitiatingEntity":
        """A device acts for the person who holds it; a backend acts by itself."""
        match role:
            case Role.ADMIN:
                return cls.ADMIN
            case Role.DEVICE:
                return cls.USER
            case Role.BACKEND | Role.AUDITOR | Role.EDGE:
                return cls.SYSTEM
            case _:
                assert_never(role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it is signed. `id` (UUIDv7) is its jti, and the key of its log entry unless it is in a batch.

    `subject` is what state is kept by: the newest event about it counts. `revision` counts from 1 for each subject.
    `members` stand beside our own as CAEP and RISC name them; `own` under OWN_NAMESPACE. `sub_id` is opaque by default.
    """

    id: str
    tenant: str
    uri: str
    subject: str
    revision: int
    status: Status
    event_time: datetime
    effective_time: datetime
    initiating_entity: InitiatingEntity
    priority: Priority = Priority.URGENT
    members: Mapping[str, Json] = field(default_factory=dict)
    own: Mapping[str, Json] = field(default_factory=dict)
    sub_id: Mapping[str, Json] | None = None
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """`payload`: a SET claims set (kms.events.payload), and the signature over it."""

    draft: Draft
    payload: bytes
    signature: ServiceSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events that one log entry proves: their payloads are the leaves of a Merkle tree (RFC 9162) of `tree_size`."""

    id: str
    tenant: str
    tree_size: int
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Of one event in its batch. `path`: hashes of 32 bytes, one after the other, from the leaf to the root."""

    batch: Batch
    leaf_index: int
    path: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """As it stands in the table: signed, or a leaf of a batch."""

    id: str
    tenant: str
    uri: str
    subject: str
    revision: int
    status: Status
    priority: Priority
    event_time: datetime
    payload: bytes
    signature: ServiceSignature | None
    promise: LogPromise | None
    place: BatchPlace | None = None

    @property
    def proved(self) -> LogPromise:
        """The log entry that stands for it: its own or its batch's."""
        promise = self.promise if self.place is None else self.place.batch.promise
        assert promise is not None
        return promise


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a feed: after the event `sequence` (0: before the first).

    `epoch` (16 bytes) names one history: when it began (8 bytes, microseconds since 1970) and 8 random bytes, so that a
    later one is the greater number. It changes when the history was replaced, for example by an older backup.
    """

    tenant: str
    feed: str
    epoch: bytes
    sequence: int
    anchor: bytes = bytes(ANCHOR_SIZE)
    """Of the event at `sequence`: what tells it from another that once had its number. A backup brings the epoch back
    too, not the events.
    """

    def beginning(self) -> "Position":
        return Position(self.tenant, self.feed, self.epoch, 0)


@dataclass(frozen=True, slots=True)
class Placed:
    """An event at its place in one feed."""

    sequence: int
    event: Event

    def position(self, before: Position) -> Position:
        """After this event, in the history of `before`."""
        return Position(before.tenant, before.feed, before.epoch, self.sequence, anchor_of(self.event.id))


def anchor_of(event_id: str) -> bytes:
    """Tells events apart that have the same number in two histories: the random end of a UUIDv7."""
    return bytes.fromhex(event_id.replace("-", ""))[-ANCHOR_SIZE:]


@dataclass(frozen=True, slots=True)
class Known:
    """What a feed says of a subject now."""

    revision: int
    status: Status
