"""Receivers of shared signals, their streams, and what waits for them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Self

from hallmark_events.types import (
    ARTIFACT_REVOKED,
    ARTIFACT_STATUS_CHANGE,
    ARTIFACT_SUPERSEDED,
    ASSURANCE_LEVEL_CHANGE,
    CONSENT_STATUS_CHANGE,
    CREDENTIAL_CHANGE,
    DEVICE_COMPLIANCE_CHANGE,
)
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ID_PATTERN

SIGNING_KEY_ID: Final = "ssf-events-es256"
"""tenants/system/keys/ssf-events-es256 signs what receivers get, and nothing else."""
SET_TYPE: Final = "secevent+jwt"
"""RFC 8417, section 2.3."""

EVENTS_SUPPORTED: Final = (
    CREDENTIAL_CHANGE,
    ASSURANCE_LEVEL_CHANGE,
    DEVICE_COMPLIANCE_CHANGE,
    CONSENT_STATUS_CHANGE,
    ARTIFACT_REVOKED,
    ARTIFACT_STATUS_CHANGE,
    ARTIFACT_SUPERSEDED,
)
VERIFICATION: Final = "https://schemas.openid.net/secevent/ssf/event-type/verification"
STREAM_UPDATED: Final = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"

QUEUE_MAX: Final = 10_000
"""What waits for one stream. When more comes a stream is paused, and the oldest are given up."""
REMOVED_SUBJECTS_MAX: Final = 1_000
AUDIENCE_CHARACTERS_MAX: Final = 512
REASON_CHARACTERS_MAX: Final = 512

COLLECTION: Final = "ssfReceivers"
_NAME: Final = re.compile(f"tenants/({ID_PATTERN})/{COLLECTION}/({ID_PATTERN})")
_AUDIENCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReceiverName:
    tenant: str
    receiver: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/{COLLECTION}/{self.receiver}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidArgument."""
        found = _NAME.fullmatch(text)
        if found is None:
            shape = f"tenants/{{tenant}}/{COLLECTION}/{{receiver}}"
            raise InvalidArgument(Reason.NAME_INVALID, f"name must look like {shape}", field="name")
        return cls(found[1], found[2])


def check_audience(audience: str) -> str:
    """A URI of at most 512 characters. Raises InvalidArgument."""
    if len(audience) > AUDIENCE_CHARACTERS_MAX or not _AUDIENCE.fullmatch(audience):
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"audience must be a URI of at most {AUDIENCE_CHARACTERS_MAX} characters, such as https://mdm.example.com",
            field="audience",
        )
    return audience


def token_sha256(token: str) -> bytes:
    """What is kept of a token, 32 bytes: 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).digest()


class StreamStatus(StrEnum):
    """SSF 1.0, section 8.1.2.1. PAUSED holds what comes, DISABLED does not."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


class Method(StrEnum):
    """SSF 1.0, section 6.1: delivery methods by URI."""

    PUSH = "urn:ietf:rfc:8935"
    POLL = "urn:ietf:rfc:8936"

    @property
    def word(self) -> str:
        return self.name.lower()


class Kind(StrEnum):
    """What a queued set is. The word of a stop itself (STREAM_UPDATED) is delivered while a stream is paused."""

    EVENT = "event"
    VERIFICATION = "verification"
    STREAM_UPDATED = "stream-updated"


@dataclass(frozen=True, slots=True)
class Delivery:
    """`endpoint_url` and `authorization_header` are the receiver's, for PUSH; empty for POLL."""

    method: Method = Method.POLL
    endpoint_url: str = ""
    authorization_header: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a receiver supplies of its stream's configuration (SSF 1.0, section 8.1.1)."""

    delivery: Delivery = Delivery()
    events_requested: tuple[str, ...] = ()
    description: str = ""

    @property
    def events_delivered(self) -> tuple[str, ...]:
        """What was asked for and is supported; in our order."""
        return tuple(uri for uri in EVENTS_SUPPORTED if uri in self.events_requested)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A server that an admin has let in. `token_sha256`: 32 bytes; the token itself is kept nowhere."""

    name: ReceiverName
    audience: str
    token_sha256: bytes
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """`starts_after`: place in the tenant's outbox; earlier events are not for this stream. `dropped`: what was given
    up because too much waited. `refused`: what the receiver answered with an error (RFC 8935 2.3, RFC 8936 setErrs).
    `failures`: attempts to push since the last one that arrived.
    """

    id: str
    receiver: ReceiverName
    wishes: Wishes
    status: StreamStatus
    reason: str
    starts_after: int
    dropped: int
    refused: int
    last_error: str
    failures: int
    activity_time: datetime
    verify_time: datetime | None
    last_delivery_time: datetime | None


@dataclass(frozen=True, slots=True)
class Queued:
    """A set that waits. `claims`: canonical JSON, signed when it is delivered."""

    number: int
    jti: str
    claims: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """What a receiver could not use, and why (RFC 8935, section 2.3)."""

    jti: str
    err: str
    description: str

    def __str__(self) -> str:
        text = f"{self.jti}: {self.err}: {self.description}"
        return "".join(character if character.isprintable() else "?" for character in text)[:REASON_CHARACTERS_MAX]


@dataclass(frozen=True, slots=True)
class Overview:
    """A receiver as an admin sees it; `stream` is None while it has none."""

    receiver: Receiver
    stream: Stream | None
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SsfSettings:
    """`issuer`: https, no path, no slash at the end. `networks`: private ones that push may reach all the same."""

    issuer: str
    networks: Sequence[IPv4Network | IPv6Network] = ()
    push_interval: timedelta = timedelta(seconds=1)
    min_verification_interval: timedelta = timedelta(seconds=60)
    inactivity_timeout: timedelta = timedelta(days=7)
