"""An edge beside an API replica: streams and reads from the same database, without an HSM, with few rights."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hallmark.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    common_pb2,
    devices_pb2,
    devices_pb2_grpc,
    edge_pb2,
    edge_pb2_grpc,
    events_pb2,
    events_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    log_pb2,
    log_pb2_grpc,
    revocation_pb2,
    revocation_pb2_grpc,
)
from hallmark_composite import CompositePublicKey
from hallmark_events.batch import BatchPath
from hallmark_events.event_set import EventSet
from hallmark_events.heartbeat import HeartbeatEvidence, VerifiedHeartbeat, verify_heartbeat
from hallmark_events.trust import Signature
from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.note import parse_note
from rpc.test_gated_keys import Phone
from rpc.wire import PARENT, channel, credentials, fresh_id, fresh_name, refused
from support.edges import NAME, REPLICA_SETTINGS, restricted_role, running_edge
from support.postgresql import PostgresqlServer
from support.service import RunningService, running_service

GLOBAL, DEVICE = events_pb2.FEED_GLOBAL, events_pb2.FEED_DEVICE
Response = events_pb2.WatchEventsResponse


@dataclass(frozen=True)
class Place:
    """A replica, an edge beside it, a key that the replica made, a device, and the URL of the edge's role."""

    replica: RunningService
    edge: RunningService
    key: str
    phone: Path
    url: str


@pytest.fixture(scope="module")
def place(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("edge")
    with postgresql.database() as url:
        environment = {"HALLMARK__DATABASE__URL": url, "HALLMARK__HSM__SIGNERS": "1"}
        with running_service(folder / "replica", settings=REPLICA_SETTINGS, environment=environment) as replica:
            with channel(replica) as admin:
                key = _new_key(admin)
                trust = keys_pb2_grpc.TrustServiceStub(admin)
                trust.GetTrustBundle(keys_pb2.GetTrustBundleRequest(parent=PARENT), timeout=20)
            Phone(replica, folder / "phone")
            with restricted_role(postgresql, url) as role, running_edge(folder, replica, role) as edge:
                yield Place(replica, edge, key, folder / "phone", role)


@pytest.fixture
def admin(place: Place) -> Iterator[grpc.Channel]:
    with channel(place.replica) as opened:
        yield opened


@pytest.fixture
def edge(place: Place) -> Iterator[grpc.Channel]:
    """An admin's channel to the edge."""
    with _channel(place.edge, place.replica.home / "clients" / "admin") as opened:
        yield opened


@pytest.fixture
def device(place: Place) -> Iterator[grpc.Channel]:
    """A device's channel to the edge."""
    with _channel(place.edge, place.phone) as opened:
        yield opened


@pytest.fixture
def signer(place: Place) -> Iterator[edge_pb2_grpc.EdgeServiceStub]:
    """What the edge asks of the replica, in the hands of somebody who broke in there."""
    with _channel(place.replica, place.replica.home / "clients" / f"edge-{NAME}") as opened:
        yield edge_pb2_grpc.EdgeServiceStub(opened)


def _channel(service: RunningService, identity: Path) -> grpc.Channel:
    return grpc.secure_channel(str(service.facts["address"]), credentials(identity))


def _new_key(admin: grpc.Channel) -> str:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    return keys_pb2_grpc.KeyServiceStub(admin).CreateKey(request, timeout=20).key.name


def _revoke(admin: grpc.Channel, subject: str) -> None:
    reason = revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE
    request = revocation_pb2.RevokeRequest(subject=subject, reason=reason, request_id=fresh_id())
    revocation_pb2_grpc.RevocationServiceStub(admin).Revoke(request, timeout=20)


def _start(feed: int = GLOBAL) -> events_pb2.FeedStart:
    return events_pb2.FeedStart(feed=feed)


def _watch(opened: grpc.Channel, *feeds: events_pb2.FeedStart, **more) -> grpc.Call:
    request = events_pb2.WatchEventsRequest(parent=PARENT, feeds=feeds or [_start()], **more)
    return events_pb2_grpc.EventServiceStub(opened).WatchEvents(request, timeout=12)


def _poll(opened: grpc.Channel, *feeds: events_pb2.FeedStart, **more) -> events_pb2.PollEventsResponse:
    request = events_pb2.PollEventsRequest(
        parent=PARENT, feeds=feeds or [_start()], return_immediately=True, max_events=1000, **more
    )
    return events_pb2_grpc.EventServiceStub(opened).PollEvents(request, timeout=30)


def _take(frames: grpc.Call, kind: str) -> Response:
    return next(frame for frame in frames if frame.WhichOneof("frame") == kind)


def _hear(frames: grpc.Call, name: str) -> None:
    """Until the event about that key comes; events of other tests are passed over."""
    while not EventSet.parse(_take(frames, "event").event.set).subject.startswith(name):
        pass


def _public_key(edge: grpc.Channel, name: str) -> CompositePublicKey:
    request = keys_pb2.GetPublicKeyRequest(name=name)
    return CompositePublicKey.from_spki_pem(keys_pb2_grpc.KeyServiceStub(edge).GetPublicKey(request, timeout=20).pem)


def _verified(edge: grpc.Channel, beat: Response.Heartbeat, nonce: bytes) -> VerifiedHeartbeat:
    evidence = HeartbeatEvidence(
        payload=beat.payload,
        signature=Signature(key_version=beat.signature.key_version, signature=beat.signature.signature),
        leaf=beat.leaf,
        path=BatchPath(beat.path.leaf_index, beat.path.tree_size, tuple(beat.path.path)),
    )
    keys = {beat.signature.key_version: _public_key(edge, beat.signature.key_version)}
    return verify_heartbeat(evidence, keys, nonce=nonce, parent=PARENT)


def _now(opened: grpc.Channel) -> edge_pb2.HeartbeatLeaf.FeedPosition:
    """Where the global feed ends."""
    sets = _poll(opened).sets
    epoch = next(frame.intent.epoch for frame in sets if frame.HasField("intent"))
    end = next(frame.bookmark for frame in sets if frame.HasField("bookmark"))
    return edge_pb2.HeartbeatLeaf.FeedPosition(
        feed="global", epoch=epoch, sequence=end.sequence, state_digest=end.state_digest
    )


def test_a_device_hears_at_the_edge_what_was_revoked_at_the_replica(admin, device) -> None:
    name, frames = _new_key(admin), _watch(device)
    _take(frames, "bookmark")
    _revoke(admin, name)
    _hear(frames, name)
    frames.cancel()


def test_heartbeats_of_the_edge_are_signed_by_the_replica(edge, device) -> None:
    nonce = bytes(range(32))
    frames = _watch(device, _start(), _start(DEVICE), nonce=nonce, heartbeat_interval={"seconds": 1})
    beat = _take(frames, "heartbeat").heartbeat
    frames.cancel()
    fact = _verified(edge, beat, nonce)
    assert fact.feeds.keys() == {"device", "global"}
    assert beat.server_time.ToDatetime() == fact.server_time.replace(tzinfo=None)


def test_a_poll_at_the_edge_ends_with_proof_too(edge, device) -> None:
    nonce = b"p" * 16
    sets = _poll(device, _start(), _start(DEVICE), nonce=nonce).sets
    assert _verified(edge, sets[-1].heartbeat, nonce).feeds["global"].sequence == max(
        frame.bookmark.sequence for frame in sets if frame.feed == GLOBAL
    )


def test_a_device_acknowledges_at_the_edge(place: Place, admin, device) -> None:
    name = _new_key(admin)
    _revoke(admin, name)
    jti = ""
    while not jti:
        events = [EventSet.parse(frame.event.set) for frame in _poll(device).sets if frame.HasField("event")]
        jti = next((event.jti for event in events if event.subject.startswith(name)), "")
    request = events_pb2.AcknowledgeEventsRequest(parent=PARENT, ack=[jti])
    events_pb2_grpc.EventServiceStub(device).AcknowledgeEvents(request, timeout=20)
    engine = sa.create_engine(place.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT count(*) FROM event_acknowledgement WHERE event = :id"), {"id": jti})
        assert found.scalar_one() == 1


def test_reads_answer_as_at_the_replica(place: Place, admin, edge) -> None:
    both = (admin, edge)
    for name in (place.key, f"{place.key}/versions/1", "tenants/system/keys/revocation-events"):
        request = keys_pb2.GetPublicKeyRequest(name=name)
        one, other = (keys_pb2_grpc.KeyServiceStub(each).GetPublicKey(request, timeout=20) for each in both)
        assert one == other
    bundle = keys_pb2_grpc.TrustServiceStub(edge).GetTrustBundle(
        keys_pb2.GetTrustBundleRequest(parent=PARENT), timeout=20
    )
    assert bundle.sequence >= 1
    listed = [
        devices_pb2_grpc.DeviceServiceStub(each).ListDevices(devices_pb2.ListDevicesRequest(parent=PARENT), timeout=20)
        for each in both
    ]
    assert listed[0] == listed[1]
    get = devices_pb2.GetDeviceRequest(name=listed[0].devices[0].name)
    one, other = (devices_pb2_grpc.DeviceServiceStub(each).GetDevice(get, timeout=20) for each in both)
    assert one == other
    request = revocation_pb2.ListRevocationsRequest(parent=PARENT)
    one, other = (revocation_pb2_grpc.RevocationServiceStub(each).ListRevocations(request, timeout=20) for each in both)
    assert [event.payload for event in one.events] == [event.payload for event in other.events]


def test_the_log_is_read_at_the_edge(admin, edge) -> None:
    _revoke(admin, _new_key(admin))
    log = log_pb2_grpc.LogServiceStub(edge)
    deadline, size = time.monotonic() + 10, 0
    wanted = log_pb2_grpc.LogServiceStub(admin).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20).size
    while size < wanted:
        assert time.monotonic() < deadline
        shown = log.GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
        size = parse_checkpoint(parse_note(shown.note).text).size
    proof = log.GetInclusionProof(log_pb2.GetInclusionProofRequest(leaf_index=size - 1), timeout=20)
    assert proof.entry == log.GetEntry(log_pb2.GetEntryRequest(leaf_index=size - 1), timeout=20).entry
    assert log.GetConsistencyProof(log_pb2.GetConsistencyProofRequest(old_size=1), timeout=20).new_size >= size
    assert log.ListEntries(log_pb2.ListEntriesRequest(parent=PARENT), timeout=20).entries
    first = next(log.StreamEntries(log_pb2.StreamEntriesRequest(), timeout=20))
    assert first.entries[0].leaf_index == 0


def test_everything_else_is_refused_with_the_address_of_the_api(place: Place, edge) -> None:
    message = keys_pb2.SignRequest(name=place.key, request_id=fresh_id(), data=b"m")
    refusal = refused(keys_pb2_grpc.SigningServiceStub(edge).Sign, message)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RPC_NOT_ALLOWED")
    assert refusal.details["ErrorInfo"].metadata["api"] == str(place.replica.facts["address"])
    erase = log_pb2.EraseCommitmentsRequest(parent=PARENT, event_key=fresh_id(), request_id=fresh_id())
    assert refused(log_pb2_grpc.LogServiceStub(edge).EraseCommitments, erase).reason == "RPC_NOT_ALLOWED"
    watch = revocation_pb2_grpc.RevocationServiceStub(edge).WatchRevocations(
        revocation_pb2.WatchRevocationsRequest(parent=PARENT), timeout=20
    )
    with pytest.raises(grpc.RpcError) as ended:
        next(watch)
    assert ended.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_roles_and_tenants_are_kept_at_the_edge(place: Place, device) -> None:
    request = devices_pb2.ListDevicesRequest(parent=PARENT)
    assert refused(devices_pb2_grpc.DeviceServiceStub(device).ListDevices, request).reason == "ROLE_NOT_ALLOWED"
    other = keys_pb2.GetPublicKeyRequest(name="tenants/another/keys/a")
    assert refused(keys_pb2_grpc.KeyServiceStub(device).GetPublicKey, other).code is grpc.StatusCode.NOT_FOUND


def test_health_says_that_it_serves_and_knows_no_hsm(edge) -> None:
    health = health_pb2_grpc.HealthStub(edge)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == health_pb2.HealthCheckResponse.SERVING
    assert refused(health.Check, health_pb2.HealthCheckRequest(service="hsm")).code is grpc.StatusCode.NOT_FOUND


def test_the_database_role_of_an_edge_can_not_read_secrets_or_change_feeds(place: Place) -> None:
    engine = sa.create_engine(place.url, poolclass=sa.NullPool)
    for statement in (
        "SELECT material FROM public.key_version",
        "SELECT * FROM tlog_opening",
        "UPDATE feed SET sequence = 0",
        "INSERT INTO feed_event VALUES ('default', 'global', 1, 'x')",
        "UPDATE removal SET close_time = 1",
        "CREATE TABLE mine (id int)",
    ):
        with engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            connection.execute(sa.text(statement))


def test_who_broke_into_an_edge_has_only_the_newest_state_signed(admin, signer) -> None:
    old = _now(admin)
    _revoke(admin, _new_key(admin))
    new = _now(admin)
    stolen = edge_pb2.HeartbeatLeaf.FeedPosition(
        feed="global", epoch=new.epoch, sequence=new.sequence, state_digest=old.state_digest
    )
    leaves = [
        edge_pb2.HeartbeatLeaf(parent=PARENT, nonce=b"n" * 16, feeds=[position]) for position in (old, new, stolen)
    ]
    answer = signer.SignHeartbeats(edge_pb2.SignHeartbeatsRequest(leaves=leaves), timeout=20)
    assert [bool(proof.leaf) for proof in answer.proofs] == [False, True, False]
    assert (len(answer.payloads), len(answer.signatures)) == (1, 1)
    assert isinstance(answer.signatures[0], common_pb2.ServiceSignature)


def test_a_history_that_is_in_force_and_new_is_not_replaced_at_an_edges_word(admin, signer) -> None:
    now = _now(admin)
    lost = edge_pb2.LostHistory(parent=PARENT, epoch=now.epoch)
    signer.SignHeartbeats(edge_pb2.SignHeartbeatsRequest(lost=[lost]), timeout=20)
    assert _now(admin).epoch == now.epoch


def test_nobody_but_an_edge_has_heartbeats_signed(admin) -> None:
    stub = edge_pb2_grpc.EdgeServiceStub(admin)
    assert refused(stub.SignHeartbeats, edge_pb2.SignHeartbeatsRequest()).reason == "ROLE_NOT_ALLOWED"


def test_an_edge_starts_with_no_schema_but_its_own(place: Place, postgresql_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kms.cli.main", "serve", "--edge", "--home", str(place.edge.home.parent / "empty")]
    (place.edge.home.parent / "empty").mkdir(exist_ok=True)
    environment = {**place.edge.environment, "HALLMARK__DATABASE__URL": postgresql_url}
    environment["HALLMARK__EDGE__PROFILE"] = str(place.edge.home / "edge")
    ran = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "start an API replica" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_a_replica_streams_go_on_without_proof_of_freshness(place: Place, admin, tmp_path: Path) -> None:
    with running_edge(tmp_path, place.replica, place.url, api=("localhost:1",), files=False) as alone:
        with _channel(alone, place.phone) as device:
            name = _new_key(admin)
            frames = _watch(device, nonce=b"q" * 16, heartbeat_interval={"seconds": 1})
            _take(frames, "bookmark")
            _revoke(admin, name)
            _hear(frames, name)
            frames.cancel()
            assert _poll(device, nonce=b"r" * 16).sets[-1].WhichOneof("frame") == "bookmark"
            with _channel(alone, place.replica.home / "clients" / "admin") as other:
                read = log_pb2_grpc.LogServiceStub(other).GetCheckpoint
                assert refused(read, log_pb2.GetCheckpointRequest()).reason == "RPC_NOT_ALLOWED", "it has no files"
        assert alone.log.count("no API replica signs heartbeats") == 1
        assert alone.stop() == 0


def test_sessions_at_the_edge_are_found_at_the_replica(place: Place, admin) -> None:
    with _channel(place.edge, place.replica.home / "clients" / "auditor") as opened:
        log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)
    stub, deadline = audit_pb2_grpc.AuditServiceStub(admin), time.monotonic() + 20
    while True:  # written within seconds
        found = stub.ListSessions(audit_pb2.ListSessionsRequest(parent=PARENT), timeout=20).sessions
        if any(each.caller.endswith("/auditor/auditor") and each.tls_group == "X25519MLKEM768" for each in found):
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)
