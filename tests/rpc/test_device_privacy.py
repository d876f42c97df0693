"""What a device, or anybody who reads the public files, learns of another: nothing.

Over the real server, with two attested phones. Refusals of what is another's and of what is not there are the same.
"""

import hashlib
import itertools
import statistics
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from hallmark.v1 import consent_pb2, consent_pb2_grpc, events_pb2, events_pb2_grpc, removal_pb2, removal_pb2_grpc
from hallmark_client import Client, ConsentArtifact
from hallmark_events.event_set import EventSet
from hallmark_events.types import DELETION_REQUESTED, LEASE_GRANTED
from hallmark_tlog.entry import parse_entry
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.reader import entries
from rpc.test_gated_keys import Phone
from rpc.wire import PARENT, Refusal, credentials, fresh_id, refused
from support.service import RunningService

GLOBAL, DEVICE = events_pb2.FEED_GLOBAL, events_pb2.FEED_DEVICE
Response = events_pb2.WatchEventsResponse
LIST_ENTRIES = 1 << 20


@dataclass(frozen=True)
class Caller:
    """An attested phone and a connection of its own."""

    name: str
    channel: grpc.Channel

    @property
    def events(self) -> events_pb2_grpc.EventServiceStub:
        return events_pb2_grpc.EventServiceStub(self.channel)

    @property
    def consents(self) -> consent_pb2_grpc.ConsentServiceStub:
        return consent_pb2_grpc.ConsentServiceStub(self.channel)

    @property
    def removals(self) -> removal_pb2_grpc.RemovalServiceStub:
        return removal_pb2_grpc.RemovalServiceStub(self.channel)

    def poll(self, *feeds: events_pb2.FeedStart) -> list[Response]:
        """Frames without heartbeat and acknowledgement, to the end of the feeds."""
        starts, found = list(feeds) or [events_pb2.FeedStart(feed=DEVICE)], []
        while True:
            request = events_pb2.PollEventsRequest(
                parent=PARENT, feeds=starts, return_immediately=True, max_events=1000
            )
            answer = self.events.PollEvents(request, timeout=30)
            found += [frame for frame in answer.sets if frame.WhichOneof("frame") in {"intent", "event", "bookmark"}]
            if not answer.more_available:
                return found
            cursors = {frame.feed: frame.cursor for frame in answer.sets if frame.cursor}
            starts = [events_pb2.FeedStart(feed=feed, cursor=cursor) for feed, cursor in cursors.items()]

    def subjects(self) -> dict[str, EventSet]:
        told = [EventSet.parse(frame.event.set) for frame in self.poll() if frame.HasField("event")]
        return {event.subject: event for event in told}

    def wait_for(self, uri: str, *, seconds: float = 15) -> EventSet:
        """The newest event of the kind, once its own feed has one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in reversed(self.subjects().values()):
                if event.uri == uri:
                    return event
            time.sleep(0.05)
        raise AssertionError(f"no {uri} came")


@pytest.fixture
def mine(service: RunningService, tmp_path: Path) -> Iterator[Caller]:
    yield from _caller(service, tmp_path / "mine")


@pytest.fixture
def hers(service: RunningService, tmp_path: Path) -> Iterator[Caller]:
    yield from _caller(service, tmp_path / "hers")


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


def _caller(service: RunningService, folder: Path) -> Iterator[Caller]:
    phone = Phone(service, folder)
    with grpc.secure_channel(str(service.facts["address"]), credentials(folder)) as opened:
        yield Caller(phone.name, opened)


@dataclass(frozen=True)
class Words:
    """What the test says of a person; nobody else on this server does."""

    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def grant(self, backend: Client, *devices: Caller) -> consent_pb2.Consent:
        return backend.consents.grant(
            f"person-{self.mark}",
            controller=f"https://controller-{self.mark}.example",
            purposes=[f"https://purpose.example/{self.mark}"],
            artifacts=[ConsentArtifact(artifact=hashlib.sha256(self.mark.encode()).hexdigest())],
            devices=[each.name for each in devices],
            withdrawal_method=f"write to {self.mark}",
            storage_locations=[f"in the cellar of {self.mark}"],
            wait="published",
        ).consent


def test_a_cursor_of_hers_tells_me_what_garbage_does(backend: Client, mine: Caller, hers: Caller) -> None:
    consent = Words().grant(backend, hers)
    assert hers.wait_for(LEASE_GRANTED).own["consent"] == consent.name
    stolen = [frame.cursor for frame in hers.poll() if frame.cursor][-1]
    with_hers = mine.poll(events_pb2.FeedStart(feed=DEVICE, cursor=stolen))
    with_garbage = mine.poll(events_pb2.FeedStart(feed=DEVICE, cursor="garbage"))
    assert [frame.SerializeToString() for frame in with_hers] == [frame.SerializeToString() for frame in with_garbage]
    assert not any(hers.name.encode() in frame.SerializeToString() for frame in with_hers)


def test_what_is_hers_is_refused_like_what_is_not_there(backend: Client, mine: Caller, hers: Caller) -> None:
    words = Words()
    consent = words.grant(backend, hers)
    artifact = consent.artifacts[0].artifact
    Words().grant(backend, mine)
    backend.consents.withdraw(words.grant(backend, hers).name)
    command = hers.wait_for(DELETION_REQUESTED)
    receipt = removal_pb2.DeletionReceipt(set=b"{}")

    def acquire(name: str) -> Refusal:
        request = consent_pb2.AcquireLeaseRequest(consent=name, artifact=artifact, request_id=fresh_id())
        return refused(mine.consents.AcquireLease, request)

    def acquire_for(name: str) -> Refusal:
        request = consent_pb2.AcquireLeaseRequest(
            consent=consent.name, artifact=artifact, device=name, request_id=fresh_id()
        )
        return refused(mine.consents.AcquireLease, request)

    def submit(name: str) -> Refusal:
        request = removal_pb2.SubmitDeletionReceiptRequest(removal=name, receipt=receipt, request_id=fresh_id())
        return refused(mine.removals.SubmitDeletionReceipt, request)

    for ask, real in ((acquire, consent.name), (acquire_for, hers.name), (submit, command.subject)):
        absent = f"{real.rpartition('/')[0]}/{command.jti[:-12]}{uuid.uuid4().hex[:12]}"
        _are_the_same(ask(real), ask(absent), real, absent)


def test_reading_for_the_back_office_is_refused_before_anything_is_looked_up(
    backend: Client, mine: Caller, hers: Caller
) -> None:
    words = Words()
    consent = words.grant(backend, hers)
    backend.consents.withdraw(consent.name)
    removal = hers.wait_for(DELETION_REQUESTED).subject
    calls: list[tuple[Callable[..., Any], Callable[[str], Any], str]] = [
        (mine.consents.GetConsent, lambda name: consent_pb2.GetConsentRequest(name=name), consent.name),
        (mine.consents.GetConsentReceipt, lambda name: consent_pb2.GetConsentReceiptRequest(name=name), consent.name),
        (mine.consents.ListLeases, lambda name: consent_pb2.ListLeasesRequest(parent=PARENT, device=name), hers.name),
        (
            mine.consents.ListConsents,
            lambda name: consent_pb2.ListConsentsRequest(parent=PARENT, device=name),
            hers.name,
        ),
        (mine.removals.GetRemoval, lambda name: removal_pb2.GetRemovalRequest(name=name), removal),
        (
            mine.removals.ListRemovals,
            lambda name: removal_pb2.ListRemovalsRequest(parent=PARENT, device=name),
            hers.name,
        ),
    ]
    for call, request, real in calls:
        absent = f"{real.rpartition('/')[0]}/{uuid.uuid4()}"
        found = refused(call, request(real))
        assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
        _are_the_same(found, refused(call, request(absent)), real, absent)


def test_acknowledging_for_her_does_nothing_and_says_nothing(backend: Client, mine: Caller, hers: Caller) -> None:
    words = Words()
    backend.consents.withdraw(words.grant(backend, hers).name)
    command = hers.wait_for(DELETION_REQUESTED)
    for jti in (command.jti, f"{command.jti[:-12]}{uuid.uuid4().hex[:12]}"):
        request = events_pb2.AcknowledgeEventsRequest(parent=PARENT, ack=[jti])
        answer = mine.events.AcknowledgeEvents(request, timeout=20)
        assert answer.SerializeToString() == b""
    assert backend.removals.get(command.subject).acknowledge_time is None


def test_how_long_a_refusal_takes_does_not_tell_what_there_is(backend: Client, mine: Caller, hers: Caller) -> None:
    """Taken in turns, so that a busy machine slows both."""
    consent = Words().grant(backend, hers)
    artifact = consent.artifacts[0].artifact
    taken: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(40):
        for is_real in (True, False):
            name = consent.name if is_real else f"{PARENT}/consents/{uuid.uuid4()}"
            request = consent_pb2.AcquireLeaseRequest(consent=name, artifact=artifact, request_id=fresh_id())
            began = time.perf_counter()
            refused(mine.consents.AcquireLease, request)
            taken[is_real].append(time.perf_counter() - began)
    real, absent = statistics.median(taken[True]), statistics.median(taken[False])
    assert abs(real - absent) < 0.5 * min(real, absent), (real, absent)


def test_nothing_that_i_can_count_moves_when_she_gets_events(backend: Client, mine: Caller, hers: Caller) -> None:
    Words().grant(backend, mine)
    mine.wait_for(LEASE_GRANTED)
    before = mine.poll()
    for _ in range(3):
        words = Words()
        backend.consents.withdraw(words.grant(backend, hers).name)
    hers.wait_for(DELETION_REQUESTED)
    after = mine.poll()
    assert [frame.SerializeToString() for frame in before] == [frame.SerializeToString() for frame in after]
    assert after[-1].bookmark.sequence == len(mine.subjects())


def test_the_global_feed_is_the_same_bytes_for_both(mine: Caller, hers: Caller) -> None:
    assert _global_frames(mine) == _global_frames(hers)


def test_an_index_of_a_status_list_follows_from_no_name(backend: Client, mine: Caller) -> None:
    leases = []
    for _ in range(4):
        consent = Words().grant(backend, mine)
        leases += list(backend.consents.leases(consent=consent.name))
    found = [lease.status.idx for lease in leases]
    assert len(set(found)) == len(found)
    for lease in leases:
        identifier = lease.name.rpartition("/")[2]
        number = uuid.UUID(identifier).int
        digests = [hashlib.sha256(text.encode()).digest() for text in (lease.name, identifier)]
        guesses = {number % LIST_ENTRIES, number >> 108, zlib.crc32(lease.name.encode()) % LIST_ENTRIES}
        guesses |= {int.from_bytes(each[:8], order) % LIST_ENTRIES for each in digests for order in ("big", "little")}
        assert lease.status.idx not in guesses
    steps = {right - left for left, right in itertools.pairwise(found)}
    assert len(steps) == len(found) - 1, "nor from one another"


def test_public_files_and_the_log_name_nobody(
    service: RunningService, backend: Client, mine: Caller, hers: Caller
) -> None:
    words = Words()
    consent = words.grant(backend, mine, hers)
    withdrawn = backend.consents.withdraw(consent.name, reason=f"because of {words.mark}", wait="published")
    mine.wait_for(DELETION_REQUESTED)
    backend.consents.receipt(consent.name)
    time.sleep(2)  # a snapshot of the status files is made once a second at most
    public = service.home / "public"
    secrets = [words.mark.encode(), consent.pii_principal_id.encode()]
    found = 0
    for file in public.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            found += withdrawn.log.event_key.encode() in data
            for secret in secrets:
                assert secret not in data, f"{file} tells {secret!r}"
                assert secret not in _inflated(data), f"{file} tells {secret!r}, compressed"
    assert found, "the withdrawal itself is there"
    _log_links_no_device(public, consent.name, {mine.name, hers.name})


def _log_links_no_device(public: Path, consent: str, devices: set[str]) -> None:
    """Entries about consents, leases and removals say neither whose device it is nor what artifact."""
    fetch = folder_fetcher(public)
    size = int(fetch("checkpoint").split(b"\n")[1])
    about = 0
    for data in entries(fetch, size):
        entry = parse_entry(data)
        if not any(f"/{each}" in entry.subject for each in ("consents", "leases", "removals")):
            continue
        about += entry.subject == consent
        for device in devices:
            assert device.rpartition("/")[2].encode() not in data, entry.event_type
        assert b"/artifacts/" not in data, entry.event_type
    assert about >= 2, "given and withdrawn"


def _global_frames(caller: Caller) -> list[bytes]:
    """As they are on the wire, up to the bookmark."""
    raw = caller.channel.unary_stream(
        "/hallmark.v1.EventService/WatchEvents",
        request_serializer=events_pb2.WatchEventsRequest.SerializeToString,
        response_deserializer=bytes,
    )
    request = events_pb2.WatchEventsRequest(parent=PARENT, feeds=[events_pb2.FeedStart(feed=GLOBAL)])
    call, found = raw(request, timeout=30), []
    for frame in call:
        found.append(frame)
        if Response.FromString(frame).HasField("bookmark"):
            call.cancel()
            return found
    raise AssertionError("the stream ended")


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def _are_the_same(first: Refusal, second: Refusal, real: str, absent: str) -> None:
    """But for the name that was asked for."""
    assert (first.code, first.reason) == (second.code, second.reason)
    assert first.message.replace(real, "NAME") == second.message.replace(absent, "NAME")
    assert first.details.keys() == second.details.keys()
