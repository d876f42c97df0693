"""Permission given and taken back at one replica is so at the other, at once and once only."""

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from hallmark.v1 import events_pb2, events_pb2_grpc
from hallmark_client import AttestationGate, Client, FailedPrecondition, LeaseTerms, RemovalState
from hallmark_events.event_set import EventSet
from hallmark_events.types import StatusValue
from rpc.test_gated_keys import Phone
from rpc.wire import PARENT, credentials, read_refusal
from support.postgresql import PostgresqlServer
from support.replicas import Replicas, two_replicas
from support.service import RunningService

SETTINGS = "[consent]\nrenew_interval_seconds = 0.5\n[removal]\ncheck_interval_seconds = 0.5\n"
AT_ONCE_SECONDS = 2.0
"""Between two ticks of a replica that was not told lies half a second; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def replicas(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with (
        postgresql.database() as url,
        two_replicas(tmp_path_factory.mktemp("permission"), url, settings=SETTINGS) as two,
    ):
        yield two


@pytest.fixture
def phone(replicas: Replicas, tmp_path: Path) -> Phone:
    return Phone(replicas.first, tmp_path / "phone")


@contextmanager
def _stream(at: RunningService, folder: Path) -> Iterator[Iterator[events_pb2.WatchEventsResponse]]:
    with grpc.secure_channel(str(at.facts["address"]), credentials(folder)) as opened:
        feeds = [events_pb2.FeedStart(feed=feed) for feed in (events_pb2.FEED_GLOBAL, events_pb2.FEED_DEVICE)]
        request = events_pb2.WatchEventsRequest(parent=PARENT, feeds=feeds)
        call = events_pb2_grpc.EventServiceStub(opened).WatchEvents(request, timeout=60)
        yield call
        call.cancel()


def _next_event(
    frames: Iterator[events_pb2.WatchEventsResponse], subject: str, status: StatusValue | None = None
) -> tuple[EventSet, float]:
    """The next event about such a subject, and when it came."""
    for frame in frames:
        if frame.WhichOneof("frame") == "event":
            event = EventSet.parse(frame.event.set)
            if event.subject.startswith(f"{PARENT}/{subject}") and status in {None, event.status}:
                return event, time.monotonic()
    raise AssertionError("the stream ended")


def _settle(frames: Iterator[events_pb2.WatchEventsResponse]) -> None:
    """Until both feeds were told once."""
    feeds: set[int] = set()
    for frame in frames:
        if frame.WhichOneof("frame") == "bookmark":
            feeds.add(frame.feed)
        if len(feeds) == 2:
            return


def _consent(client: Client, phone: Phone) -> tuple[str, str]:
    """A consent for the phone, and the artifact it lets it hold."""
    artifact = f"{PARENT}/artifacts/{hashlib.sha256(uuid.uuid4().bytes).hexdigest()}"
    granted = client.consents.grant(
        f"person-{uuid.uuid4()}",
        controller="https://bank.example",
        purposes=["dpv:FraudPreventionAndDetection"],
        artifacts=[artifact],
        devices=[phone.name],
        removal_time=timedelta(minutes=2),
        lease_terms=LeaseTerms(duration=timedelta(seconds=60)),
    )
    return granted.consent.name, artifact


def test_a_withdrawal_at_one_is_heard_at_the_other_and_asks_once(
    replicas: Replicas, phone: Phone, tmp_path: Path
) -> None:
    with replicas.first.client() as first, replicas.second.client() as second:
        with _stream(replicas.second, tmp_path / "phone") as frames:
            consent, artifact = _consent(first, phone)
            lease, _ = _next_event(frames, "leases/")
            assert (lease.status, lease.own["artifact"]) == (StatusValue.VALID, artifact)
            began = time.monotonic()
            first.consents.withdraw(consent)
            ended, heard = _next_event(frames, "consents/", StatusValue.INVALID)
            assert ended.subject == consent
            assert heard - began < AT_ONCE_SECONDS
            command, _ = _next_event(frames, "removals/")
            assert command.own["artifact"] == artifact
        (removal,) = second.removals.list(consent=consent)
        assert removal.name == command.subject
        assert [each.live for each in second.consents.leases(consent=consent)] == [False]


def test_a_lease_is_renewed_by_one_of_them(replicas: Replicas, phone: Phone) -> None:
    with replicas.first.client() as first, replicas.second.client() as second:
        consent, _ = _consent(first, phone)
        given = next(iter(second.consents.leases(consent=consent)))
        assert given.revision == 1, "half of its minute is to come"
        _pass_the_half(replicas.url, given.name)
        until = time.monotonic() + 20
        while (lease := next(iter(second.consents.leases(consent=consent)))).revision < 2:
            assert time.monotonic() < until, "half of its minute is over"
            time.sleep(0.2)
        assert lease.live
        assert lease.expire_time <= datetime.now(UTC) + timedelta(seconds=61)
        _publish(first)
    subjects = Counter(json.loads(entry)["type"] for entry in replicas.audit()[1])
    assert subjects["leases.issued"] >= 2


def test_a_device_revoked_at_one_is_refused_at_the_other(replicas: Replicas, phone: Phone, tmp_path: Path) -> None:
    with replicas.first.client() as first, _stream(replicas.second, tmp_path / "phone") as frames:
        _settle(frames)
        began = time.monotonic()
        first.revocations.revoke(phone.name, "DEVICE_LOST")
        event, heard = _next_event(frames, "devices/")
        assert (event.subject, event.status) == (phone.name, StatusValue.INVALID)
        assert heard - began < AT_ONCE_SECONDS
        with pytest.raises(grpc.RpcError) as ended:
            list(frames)
        assert read_refusal(ended.value).reason == "DEVICE_REVOKED"
        with _stream(replicas.second, tmp_path / "phone") as again, pytest.raises(grpc.RpcError) as refused:
            next(again)
        assert read_refusal(refused.value).reason == "DEVICE_REVOKED"


def test_a_verdict_revoked_at_one_closes_gated_keys_at_the_other(replicas: Replicas, phone: Phone) -> None:
    with replicas.first.client() as first, replicas.second.client() as second:
        key = first.keys.create(f"key-{uuid.uuid4().hex[:12]}", attestation_gate=AttestationGate()).name
        second.signing.sign(key, b"while it holds", device=phone.name)
        first.revocations.revoke(phone.verdict, "POLICY_VIOLATION")
        with pytest.raises(FailedPrecondition) as refused:
            second.signing.sign(key, b"too late", device=phone.name)
        assert refused.value.reason == "VERDICT_REFUSED"


def _publish(client: Client) -> None:
    """All that was done before."""
    client.signing.sign(client.keys.create(f"key-{uuid.uuid4().hex[:12]}").name, b"last", wait="published")


def _pass_the_half(url: str, lease: str) -> None:
    """Of the shortest lease there is."""
    _make_due(url, "UPDATE lease SET renew_time = :now WHERE id = :id", lease)


def _pass_the_deadline(url: str, removal: str) -> None:
    """A minute is the shortest that a caller may ask for."""
    _make_due(url, "UPDATE removal SET deadline = :now, check_time = :now WHERE id = :id", removal)


def _make_due(url: str, statement: str, name: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as tx:
        changed = tx.execute(sa.text(statement), {"now": time.time_ns() // 1000, "id": name.rpartition("/")[2]})
        assert changed.rowcount == 1
    engine.dispose()


def test_what_is_overdue_is_so_once(replicas: Replicas, phone: Phone, tmp_path: Path) -> None:
    with replicas.first.client() as first, replicas.second.client() as second:
        with _stream(replicas.second, tmp_path / "phone") as frames:
            _settle(frames)
            artifact = f"{PARENT}/artifacts/{'ab' * 32}"
            removal = first.removals.request(phone.name, artifact)
            _next_event(frames, "removals/")
            while second.removals.get(removal.name).deliver_time is None:
                time.sleep(0.2)
            _pass_the_deadline(replicas.url, removal.name)
            until = time.monotonic() + 30
            while second.removals.get(removal.name).state is not RemovalState.OVERDUE:
                assert time.monotonic() < until
                time.sleep(0.2)
        _publish(first)
    told = [json.loads(entry) for entry in replicas.audit()[1]]
    assert [each["type"] for each in told if each["subject"] == removal.name].count("removal.overdue") == 1
