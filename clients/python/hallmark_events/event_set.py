"""One event: a Security Event Token claims set (RFC 8417, section 2) as canonical JSON.

{"iss", "iat", "jti": UUIDv7, "txn"?, "toe", "sub_id": RFC 9493,
 "events": {URI: {...members of CAEP or RISC..., "event_timestamp", "initiating_entity", "reason_admin"?: {"en"},
   "hallmark.v1": {"subject": resource name, "revision": 1 or more, "status": "VALID" | "INVALID" | "SUSPENDED",
                   "effective_time", "event_time", "reason"?: code, ...members of our own}}}}

One event in each set; no "exp" and no "sub": SSF 1.0 forbids both, so that no SET passes for an access token. Where
the subject identifier is opaque it is the resource name: whoever reads either sees the same.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Self

from hallmark_events.canonical import INTEGER_MAX, Json, canonical_json, format_time, parse_canonical, parse_time
from hallmark_events.errors import EventInvalid
from hallmark_events.subject_ids import SimpleSubject, SubjectId, opaque, parse_subject_id
from hallmark_events.types import OWN_NAMESPACE, Initiator, StatusValue

SET_BYTES_MAX: Final = 65_536
SUBJECT_CHARACTERS_MAX: Final = 512

_SUBJECT: Final = re.compile(r"tenants/[^/\s]+(/[^/\s]+)+")
_UUID_V7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
_FORBIDDEN: Final = ("exp", "sub")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSet:
    """A parsed event. Equal when its bytes are."""

    data: bytes = field(repr=False)
    """What is signed: the canonical JSON this was read from."""
    issuer: str = field(compare=False)
    jti: str = field(compare=False)
    transaction_id: str | None = field(compare=False)
    uri: str = field(compare=False)
    subject: str = field(compare=False)
    """Resource name; state is kept by it."""
    sub_id: SubjectId = field(compare=False)
    revision: int = field(compare=False)
    status: StatusValue = field(compare=False)
    event_time: datetime = field(compare=False)
    effective_time: datetime = field(compare=False)
    initiating_entity: Initiator = field(compare=False)
    reason: str | None = field(compare=False)
    own: Mapping[str, Any] = field(compare=False, repr=False)
    """All members of "hallmark.v1", JSON values; read only at the top."""
    members: Mapping[str, Any] = field(compare=False, repr=False)
    """All other members of the event."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """At most 64 KiB. Members that are not known here are kept or passed over. Raises EventInvalid."""
        claims = parse_canonical(data, what="an event set", max_bytes=SET_BYTES_MAX, refuse=EventInvalid)
        if any(name in claims for name in _FORBIDDEN):
            raise EventInvalid("an event set has no exp and no sub (SSF 1.0)")
        uri, event = _only_event(claims.get("events"))
        own = event.get(OWN_NAMESPACE)
        if not isinstance(own, dict):
            raise EventInvalid(f"an event has the object {OWN_NAMESPACE}")
        sub_id = parse_subject_id(claims.get("sub_id"))
        subject = _subject(own.get("subject"))
        if isinstance(sub_id, SimpleSubject) and sub_id != opaque(subject):
            raise EventInvalid("a simple subject identifier is the opaque one of the resource name")
        _integer(claims.get("iat"), "iat")
        _integer(claims.get("toe"), "toe")
        _integer(event.get("event_timestamp"), "event_timestamp")
        return cls(
            data=data,
            issuer=_text(claims.get("iss"), "iss"),
            jti=_jti(claims.get("jti")),
            transaction_id=_text(claims["txn"], "txn") if "txn" in claims else None,
            uri=uri,
            subject=subject,
            sub_id=sub_id,
            revision=_integer(own.get("revision"), "revision", least=1),
            status=_status(own.get("status")),
            event_time=parse_time(own.get("event_time"), what="event_time", refuse=EventInvalid),
            effective_time=parse_time(own.get("effective_time"), what="effective_time", refuse=EventInvalid),
            initiating_entity=_initiator(event.get("initiating_entity")),
            reason=_text(own["reason"], "reason") if "reason" in own else None,
            own=MappingProxyType(own),
            members=MappingProxyType({name: value for name, value in event.items() if name != OWN_NAMESPACE}),
        )

    @property
    def sha256(self) -> str:
        """Hexadecimal, as the log entry's payload_sha256."""
        return hashlib.sha256(self.data).hexdigest()


def encode(
    *,
    issuer: str,
    jti: str,
    uri: str,
    subject: str,
    revision: int,
    status: StatusValue,
    event_time: datetime,
    initiating_entity: Initiator | str,
    effective_time: datetime | None = None,
    sub_id: SubjectId | None = None,
    reason: str | None = None,
    reason_admin: str | None = None,
    transaction_id: str | None = None,
    members: Mapping[str, Json] | None = None,
    own: Mapping[str, Json] | None = None,
) -> bytes:
    """The bytes of an event, which `EventSet.parse` reads; nothing else is ever signed.

    effective_time: default the event's. sub_id: default the opaque one of `subject`. reason_admin: an English sentence.
    members and own: those of the event type. Raises EventInvalid.
    """
    seconds = int(event_time.timestamp())
    times: dict[str, Json] = {
        "effective_time": format_time(effective_time or event_time),
        "event_time": format_time(event_time),
    }
    required: dict[str, Json] = {"subject": subject, "revision": revision, "status": status.name, "reason": reason}
    shared: dict[str, Json] = {"event_timestamp": seconds, "initiating_entity": str(initiating_entity)}
    sentence: Json = None if reason_admin is None else {"en": reason_admin}
    ours = {OWN_NAMESPACE: _joined(own or {}, required, times)}
    event = _joined(members or {}, shared, {"reason_admin": sentence}, ours)
    claims: dict[str, Json] = {"iss": issuer, "iat": seconds, "jti": jti, "toe": seconds, "txn": transaction_id}
    return _written(_joined(claims, {"sub_id": (sub_id or opaque(subject)).to_json(), "events": {uri: event}}))


def _joined(*parts: Mapping[str, Json]) -> dict[str, Json]:
    """Members of all; None stands for what is left out. Raises EventInvalid for a member that two of them have."""
    made: dict[str, Json] = {}
    for part in parts:
        if made.keys() & part.keys():
            raise EventInvalid("the members of an event type do not replace those of every event")
        made.update({name: value for name, value in part.items() if value is not None})
    return made


def _written(claims: dict[str, Json]) -> bytes:
    """What can not be read is never signed."""
    try:
        data = canonical_json(claims)
    except ValueError as error:
        raise EventInvalid(str(error)) from error
    return EventSet.parse(data).data


def _only_event(events: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(events, dict) or len(events) != 1:
        raise EventInvalid("a set has exactly one event")
    ((uri, event),) = events.items()
    if ":" not in uri or not isinstance(event, dict):
        raise EventInvalid("an event is an object under a URI")
    return uri, event


def _subject(value: object) -> str:
    if not isinstance(value, str) or len(value) > SUBJECT_CHARACTERS_MAX or not _SUBJECT.fullmatch(value):
        raise EventInvalid("subject is not a resource name below tenants/")
    return value


def _jti(value: object) -> str:
    if not isinstance(value, str) or not _UUID_V7.fullmatch(value):
        raise EventInvalid("jti is not a UUIDv7 in lower case")
    return value


def _status(value: object) -> StatusValue:
    if not isinstance(value, str) or value not in StatusValue.__members__:
        raise EventInvalid(f"status is one of {', '.join(StatusValue.__members__)}")
    return StatusValue[value]


def _initiator(value: object) -> Initiator:
    if not isinstance(value, str) or value not in set(Initiator):
        raise EventInvalid(f"initiating_entity is one of {', '.join(Initiator)}")
    return Initiator(value)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise EventInvalid(f"{what} is text, and not empty")
    return value


def _integer(value: object, what: str, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= INTEGER_MAX:
        raise EventInvalid(f"{what} is an integer, {least} or more")
    return value
