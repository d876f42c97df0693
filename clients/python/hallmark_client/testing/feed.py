"""Revocations of the fake: really signed events, in a feed with cursors."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import common_pb2, revocation_pb2
from hallmark_client.model.claims import EVENT_CONTEXT, HEARTBEAT_CONTEXT
from hallmark_client.testing.devices import FakeDevices
from hallmark_client.testing.events import FakeEvents
from hallmark_client.testing.keys import SERVICE_KEY, FakeKeys
from hallmark_client.testing.refusals import invalid, refusal
from hallmark_client.testing.state import State
from hallmark_composite import prehash

Frame = revocation_pb2.WatchRevocationsResponse

_CREDENTIAL_CHANGE: Final = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
_ISSUER: Final = "https://fake.hallmark.invalid"
_SKEW: Final = timedelta(seconds=60)
_COMPROMISED: Final = {
    revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE,
    revocation_pb2.REVOCATION_REASON_DEVICE_COMPROMISED,
}
_MAX_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 100


class FakeFeed:
    """Revoke and ListRevocations, and the frames of a watch. One event for a subject, for ever; dense sequence."""

    def __init__(self, state: State, keys: FakeKeys, devices: FakeDevices, shared: FakeEvents) -> None:
        """shared: the feeds of EventService, which tell the same."""
        self._state = state
        self._keys = keys
        self._devices = devices
        self._shared = shared
        self._events: list[revocation_pb2.RevocationEvent] = []
        self._secret = state.random_bytes(32)
        self._epoch = state.random_bytes(16)

    @property
    def newest(self) -> int:
        """Position of the newest event; 0 before the first."""
        return len(self._events)

    def replace_history(self) -> None:
        """As after a restored backup: cursors given out so far are refused with CURSOR_EPOCH."""
        self._epoch = self._state.random_bytes(16)

    def revoke(self, request: revocation_pb2.RevokeRequest) -> revocation_pb2.RevokeResponse:
        if request.reason not in revocation_pb2.RevocationReason.values() or not request.reason:
            raise invalid("reason", "is required: say why")
        now = self._state.now()
        effective = request.effective_time.ToDatetime(tzinfo=UTC) if request.HasField("effective_time") else now
        if effective > now + _SKEW:
            raise invalid("effective_time", "is in the future; leave it out to mean now")
        earlier = [event for event in self._events if event.subject == request.subject]
        if earlier and (earlier[-1].reason in _COMPROMISED or request.reason not in _COMPROMISED):
            return revocation_pb2.RevokeResponse(event=earlier[-1], replayed=True)
        kind = self._take_out_of_use(request, effective)
        event = self._sign(request, kind, min(effective, now), now)
        key = event.name.rpartition("/")[2]
        details = {"reason": revocation_pb2.RevocationReason.Name(request.reason), "effective_time": _text(effective)}
        event.log.CopyFrom(
            self._state.record("subject.revoked", event.subject, details, wait=request.log_wait, event_key=key)
        )
        self._events.append(event)
        self._tell(event, kind)
        return revocation_pb2.RevokeResponse(event=event)

    def list(self, request: revocation_pb2.ListRevocationsRequest) -> revocation_pb2.ListRevocationsResponse:
        self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= _MAX_PAGE:
            raise invalid("page_size", f"must be 0 to {_MAX_PAGE}")
        kind = f"page {request.subject}"
        start = self._read(request.page_token, kind, "PAGE_TOKEN_INVALID") if request.page_token else 0
        size = request.page_size or _DEFAULT_PAGE
        found = [
            (number, event)
            for number, event in enumerate(self._events[start:], start + 1)
            if request.subject in ("", event.subject)
        ]
        end = found[:size][-1][0] if found else start
        return revocation_pb2.ListRevocationsResponse(
            events=[event for _, event in found[:size]],
            next_page_token=self._token(end, kind) if len(found) > size else "",
            cursor=self._token(end, "cursor"),
        )

    def read_cursor(self, cursor: str) -> int:
        """The position a watch goes on from. Raises CursorInvalid."""
        return self._read(cursor, "cursor", "CURSOR_INVALID") if cursor else 0

    def event_frame(self, position: int) -> Frame:
        return Frame(event=self._events[position - 1], cursor=self._token(position, "cursor"))

    def bookmark_frame(self, position: int) -> Frame:
        return Frame(bookmark=Frame.Bookmark(sequence=position), cursor=self._token(position, "cursor"))

    def heartbeat_frame(self, position: int, nonce: bytes, interval_seconds: float) -> Frame:
        """Signed over the nonce, when there is one."""
        now = self._state.now()
        beat = Frame.Heartbeat(server_time=_stamp(now))
        beat.next_in.FromTimedelta(timedelta(seconds=interval_seconds))
        if nonce:
            beat.payload = _canonical(
                {
                    "iss": _ISSUER,
                    "parent": self._state.parent,
                    "server_time": _text(now),
                    "nonce": base64.b64encode(nonce).decode(),
                    "sequence": position,
                }
            )
            beat.signature.CopyFrom(self._signature(beat.payload, HEARTBEAT_CONTEXT, now))
        return Frame(heartbeat=beat, cursor=self._token(position, "cursor"))

    def goodbye_frame(self, position: int, wait_seconds: tuple[float, float]) -> Frame:
        goodbye = Frame.Goodbye(reason="draining")
        goodbye.retry_after_min.FromTimedelta(timedelta(seconds=wait_seconds[0]))
        goodbye.retry_after_max.FromTimedelta(timedelta(seconds=wait_seconds[1]))
        return Frame(goodbye=goodbye, cursor=self._token(position, "cursor"))

    def _take_out_of_use(self, request: revocation_pb2.RevokeRequest, effective: datetime) -> str:
        """The CAEP credential type. Raises NotFound."""
        match request.subject.split("/")[2:3]:
            case ["keys"]:
                compromised = request.reason in _COMPROMISED
                self._keys.revoke(request.subject, compromised=compromised, effective_time=effective)
                return "signing-key"
            case ["devices"]:
                self._state.check_child_name(request.subject, "devices")
                self._devices.revoke(request.subject)
                return "device-key"
            case _:
                raise invalid("subject", "must be a key, one of its versions, or a device", "NAME_INVALID")

    def _tell(self, event: revocation_pb2.RevocationEvent, kind: str) -> None:
        """Once for each subject: INVALID is for ever there, so a later compromise changes nothing."""
        collection, name = event.subject.split("/")[2:4]
        device = name if collection == "devices" else None
        if self._shared.is_ended(event.subject, device):
            return
        reason = revocation_pb2.RevocationReason.Name(event.reason).removeprefix("REVOCATION_REASON_")
        members = {"change_type": "revoke", "credential_type": kind}
        self._shared.tell(
            _CREDENTIAL_CHANGE, event.subject, device=device, reason=reason, members=members, promise=event.log
        )

    def _sign(
        self, request: revocation_pb2.RevokeRequest, kind: str, effective: datetime, now: datetime
    ) -> revocation_pb2.RevocationEvent:
        """A Security Event Token claims set (RFC 8417), as the service makes it."""
        number = self._state.new_id()
        reason = revocation_pb2.RevocationReason.Name(request.reason).removeprefix("REVOCATION_REASON_")
        change = {
            "change_type": "revoke",
            "credential_type": kind,
            "event_timestamp": int(now.timestamp()),
            "initiating_entity": "admin",
            "hallmark.v1": {"reason": reason, "effective_time": _text(effective), "event_time": _text(now)},
        }
        claims = {
            "iss": _ISSUER,
            "iat": int(now.timestamp()),
            "jti": number,
            "sub_id": {"format": "opaque", "id": request.subject},
            "events": {_CREDENTIAL_CHANGE: change},
        }
        payload = _canonical(claims)
        return revocation_pb2.RevocationEvent(
            name=f"{self._state.parent}/revocations/{number}",
            subject=request.subject,
            reason=request.reason,
            event_time=_stamp(now),
            effective_time=_stamp(effective),
            initiating_entity=common_pb2.INITIATING_ENTITY_ADMIN,
            payload=payload,
            signature=self._signature(payload, EVENT_CONTEXT, now),
        )

    def _signature(self, payload: bytes, context: str, now: datetime) -> common_pb2.ServiceSignature:
        version = self._keys.version(SERVICE_KEY, None).name
        pair = self._keys.pair(version)
        signature = pair.sign(prehash(pair.algorithm, payload), context.encode())
        return common_pb2.ServiceSignature(
            key_version=version, signature=signature, context=context, sign_time=_stamp(now)
        )

    def _token(self, position: int, kind: str) -> str:
        body = self._epoch + position.to_bytes(8, "big")
        return base64.urlsafe_b64encode(body + self._mac(kind, body)).decode()

    def _read(self, token: str, kind: str, reason: str) -> int:
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            data = b""
        body, mac = data[:24], data[24:]
        if not hmac.compare_digest(mac, self._mac(kind, body)):
            raise invalid("cursor" if kind == "cursor" else "page_token", "was not given out by this server", reason)
        if body[:16] != self._epoch:
            sentence = "the history this cursor belongs to was replaced; start again from ListRevocations"
            raise refusal(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EPOCH", sentence)
        return int.from_bytes(body[16:], "big")

    def _mac(self, kind: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, kind.encode() + b"\0" + body, "sha256")


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
