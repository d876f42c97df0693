"""EventService of the fake: really signed and logged events of both feeds, with heartbeats and acknowledgements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import common_pb2, events_pb2
from hallmark_client.testing.event_model import GLOBAL, FakeEvent, FakeEventFeed, FakeEventFeeds, Response
from hallmark_client.testing.keys import SERVICE_KEY, FakeKeys
from hallmark_client.testing.refusals import invalid, refusal
from hallmark_client.testing.state import State
from hallmark_composite import prehash
from hallmark_events.batch import BatchTree
from hallmark_events.event_set import EventSet, encode
from hallmark_events.heartbeat import FeedHead, encode_leaf, encode_payload
from hallmark_events.types import (
    EVENT_CONTEXT,
    HEARTBEAT_CONTEXT,
    LEASE_GRANTED,
    Initiator,
    Priority,
    StatusValue,
    priority_of,
    widens,
)

ISSUER: Final = "https://fake.hallmark.invalid"
_PRIORITIES: Final = {
    Priority.URGENT: events_pb2.EVENT_PRIORITY_URGENT,
    Priority.LEASE: events_pb2.EVENT_PRIORITY_LEASE,
    Priority.INFORMATION: events_pb2.EVENT_PRIORITY_INFORMATION,
}
_LEAVES_BESIDE: Final = 2
"""Others in each batch, so that there is a path."""


@dataclass(frozen=True, slots=True)
class FakeEventBackup:
    """What a server knew once: it may say again, of the same subjects, with the same revisions, something else."""

    feeds: Mapping[str, FakeEventFeed]
    revisions: Mapping[str, int]
    statuses: Mapping[tuple[str, str], StatusValue]


@dataclass(slots=True)
class FakeEvents:
    """What is told, to whom, and what devices answered. `tell` and `grant_leases` are for tests.

    A caller of the role device is the device of its name: "devices/{name}".
    """

    state: State
    keys: FakeKeys
    caller: str = ""
    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    """By device, jti of what it has applied."""
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    """By device, jti and code of what it could not believe."""
    answer_limit: int = 1000
    _feeds: FakeEventFeeds = field(init=False)
    _revisions: dict[str, int] = field(default_factory=dict)
    _statuses: dict[tuple[str, str], StatusValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._feeds = FakeEventFeeds(self._new_epoch())

    @property
    def feeds(self) -> FakeEventFeeds:
        """As they are now."""
        return self._feeds

    def tell(
        self,
        uri: str,
        subject: str,
        status: StatusValue = StatusValue.INVALID,
        *,
        device: str | None = None,
        proved: bool | None = None,
        promise: common_pb2.LogPromise | None = None,
        reason: str | None = None,
        members: Mapping[str, Any] | None = None,
        own: Mapping[str, Any] | None = None,
    ) -> str:
        """One signed event, to everybody or to one device, and its jti. subject: short or full.

        proved: with the proof of the log; by default where it widens. promise: of the entry that stands for it already.
        """
        feed = GLOBAL if device is None else f"devices/{device}"
        data = self._encode(uri, subject, status, reason=reason, members=members, own=own)
        event = EventSet.parse(data)
        before = self._statuses.get((feed, event.subject))
        promise = promise or self._logged(event, proved=widens(event, before) if proved is None else proved)
        wire = events_pb2.Event(
            set=data,
            signature=self.sign(data, EVENT_CONTEXT.decode()),
            priority=_PRIORITIES[priority_of(uri, status)],
            log=promise,
        )
        self._put(feed, FakeEvent(wire, event))
        return event.jti

    def is_ended(self, subject: str, device: str | None = None) -> bool:
        """Whether INVALID was told of it."""
        feed = GLOBAL if device is None else f"devices/{device}"
        return self._statuses.get((feed, subject)) is StatusValue.INVALID

    def grant_leases(self, device: str, leases: Sequence[Mapping[str, Any]]) -> list[str]:
        """Leases of one batch: unsigned, proved together. Each: the members of lease-granted, with "lease"."""
        sets = [self._encode(LEASE_GRANTED, str(lease["lease"]), StatusValue.VALID, own=lease) for lease in leases]
        tree = BatchTree(sets)
        details = {"root_sha256": tree.root.hex(), "tree_size": len(sets)}
        subject = f"{self.state.parent}/leases"
        promise = self.state.record("leases.issued", subject, details, wait=common_pb2.LOG_WAIT_PUBLISHED)
        for data, place in zip(sets, tree.paths(), strict=True):
            batch = events_pb2.BatchProof(leaf_index=place.leaf_index, tree_size=place.tree_size, path=place.path)
            wire = events_pb2.Event(set=data, batch=batch, priority=_PRIORITIES[Priority.LEASE], log=promise)
            self._put(f"devices/{device}", FakeEvent(wire, EventSet.parse(data)))
        return [EventSet.parse(data).jti for data in sets]

    def backup(self) -> FakeEventBackup:
        """To be restored later."""
        feeds = {name: feed.copy() for name, feed in self._feeds.feeds.items()}
        return FakeEventBackup(feeds, dict(self._revisions), dict(self._statuses))

    def replace_history(self, backup: FakeEventBackup | None = None) -> None:
        """As after a restored backup: a later epoch over what the backup knows; None: over what there is."""
        backup = backup or self.backup()
        self._revisions, self._statuses = dict(backup.revisions), dict(backup.statuses)
        self._feeds = FakeEventFeeds(self._new_epoch(), {name: feed.copy() for name, feed in backup.feeds.items()})

    def poll(self, request: events_pb2.PollEventsRequest) -> events_pb2.PollEventsResponse:
        """Never waits: what there is, and a heartbeat when that is all."""
        self.state.check_parent(request.parent)
        self._note(request.ack, request.set_errs)
        names = self.names_of(request.feeds)
        room, is_all = min(request.max_events or 100, self.answer_limit), True
        frames: list[events_pb2.WatchEventsResponse] = []
        for start in sorted(request.feeds, key=lambda start: start.feed == events_pb2.FEED_GLOBAL):
            if room <= 0:
                is_all = False
                continue
            answer = self._feeds.answer(start, names[start.feed], room, pages=True)
            room -= sum(frame.HasField("event") for frame in answer.frames)
            frames += answer.frames
            is_all = is_all and answer.is_all
        if is_all:
            frames.append(self.heartbeat(names, request.nonce, 0))
        return events_pb2.PollEventsResponse(sets=frames, more_available=not is_all)

    def acknowledge(self, request: events_pb2.AcknowledgeEventsRequest) -> events_pb2.AcknowledgeEventsResponse:
        self.state.check_parent(request.parent)
        self._note(request.ack, request.set_errs)
        return events_pb2.AcknowledgeEventsResponse()

    def heartbeat(
        self, names: Mapping[events_pb2.Feed, str], nonce: bytes, interval: float
    ) -> events_pb2.WatchEventsResponse:
        """Signed for several callers at once. names: of the caller's feeds."""
        now, heads = self.state.now(), {}
        for kind, name in names.items():
            feed = self._feeds.feed(name)
            head = FeedHead(epoch=self._feeds.epoch, sequence=feed.sequence, state_digest=feed.digest())
            heads["global" if kind == events_pb2.FEED_GLOBAL else "device"] = head
        leaf = encode_leaf(parent=self.state.parent, nonce=nonce, feeds=heads)
        tree = BatchTree([leaf, *(self.state.random_bytes(32) for _ in range(_LEAVES_BESIDE))])
        place, payload = tree.path(0), encode_payload(issuer=ISSUER, root=tree.root, size=len(tree), server_time=now)
        beat = Response.Heartbeat(
            payload=payload,
            signature=self.sign(payload, HEARTBEAT_CONTEXT.decode()),
            leaf=leaf,
            path=events_pb2.BatchProof(leaf_index=place.leaf_index, tree_size=place.tree_size, path=place.path),
        )
        beat.server_time.FromDatetime(now)
        beat.next_in.FromTimedelta(timedelta(seconds=interval))
        return Response(heartbeat=beat)

    def names_of(self, starts: Sequence[events_pb2.FeedStart]) -> dict[events_pb2.Feed, str]:
        """Names of feeds. The feed of a device is for that device. Raises PermissionDenied, InvalidArgument."""
        kinds = [start.feed for start in starts]
        if not 1 <= len(kinds) <= len(set(kinds)):
            raise invalid("feeds", "must name each feed once, and at least one")
        return {kind: GLOBAL if kind == events_pb2.FEED_GLOBAL else self._own_feed() for kind in kinds}

    def sign(self, payload: bytes, context: str) -> common_pb2.ServiceSignature:
        version = self.keys.version(SERVICE_KEY, None).name
        pair, stamp = self.keys.pair(version), Timestamp()
        stamp.FromDatetime(self.state.now())
        signature = pair.sign(prehash(pair.algorithm, payload), context.encode())
        return common_pb2.ServiceSignature(key_version=version, signature=signature, context=context, sign_time=stamp)

    def _own_feed(self) -> str:
        kind, name = self.caller.split("/")[-2:] if "/" in self.caller else (self.caller, self.caller)
        if kind != "device":
            sentence = "the feed of a device is for that device: call with the certificate it was given"
            raise refusal(grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", sentence)
        return f"devices/{name}"

    def _encode(self, uri: str, subject: str, status: StatusValue, **more: Any) -> bytes:
        name = subject if subject.startswith("tenants/") else f"{self.state.parent}/{subject}"
        self._revisions[name] = self._revisions.get(name, 0) + 1
        own = {key: value for key, value in (more.pop("own", None) or {}).items() if key != "subject"}
        return encode(
            issuer=ISSUER,
            jti=self.state.new_id(),
            uri=uri,
            subject=name,
            revision=self._revisions[name],
            status=status,
            event_time=self.state.now(),
            initiating_entity=Initiator.ADMIN,
            own=own,
            **more,
        )

    def _logged(self, event: EventSet, *, proved: bool) -> common_pb2.LogPromise:
        wait = common_pb2.LOG_WAIT_PUBLISHED if proved else common_pb2.LOG_WAIT_COMMITTED
        details = {"payload_sha256": event.sha256}
        return self.state.record("event.told", event.subject, details, wait=wait, event_key=event.jti)

    def _put(self, feed: str, event: FakeEvent) -> None:
        known = self._statuses.get((feed, event.read.subject))
        assert known is not StatusValue.INVALID, "INVALID is for ever: nothing more is said of that subject"
        self._statuses[feed, event.read.subject] = event.read.status
        self._feeds.feed(feed).put(event)

    def _note(self, ack: Sequence[str], set_errs: Mapping[str, events_pb2.SetError]) -> None:
        if ack or set_errs:
            name = self._own_feed().removeprefix("devices/")
            self.acknowledged.setdefault(name, set()).update(ack)
            self.refused.setdefault(name, {}).update({jti: error.err for jti, error in set_errs.items()})

    def _new_epoch(self) -> bytes:
        """16 bytes: microseconds since 1970, never twice, then randomness."""
        moment = int(self.state.now().timestamp() * 1_000_000)
        if hasattr(self, "_feeds"):
            moment = max(moment, int.from_bytes(self._feeds.epoch[:8], "big") + 1)
        return moment.to_bytes(8, "big") + self.state.random_bytes(8)
