"""SIGTERM amid calls and streams: what was answered stands, what is refused says retry, streams say goodbye, exit 0."""

import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hallmark.v1 import (
    events_pb2,
    events_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    log_pb2,
    log_pb2_grpc,
    revocation_pb2,
    revocation_pb2_grpc,
)
from hallmark_tlog.audit import audit
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.reader import entries
from hallmark_tlog.vkey import parse_vkey
from rpc.wire import PARENT, channel, fresh_id, fresh_name, read_refusal
from support.service import RunningService, running_service

SIGNERS = 12
NOTICE_SECONDS = 4
SETTINGS = (
    f"[server]\ndrain_notice_seconds = {NOTICE_SECONDS}\ndrain_seconds = 10\n[log]\norigin = 'log.example/drain'\n"
)
RETRYABLE = {grpc.StatusCode.UNAVAILABLE}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(tmp_path / "home", settings=SETTINGS, environment={"HALLMARK__HSM__SIGNERS": "1"}) as running:
        yield running


class Signer(threading.Thread):
    """Signs again and again on one connection until it is refused; then tries twice more."""

    def __init__(self, opened: grpc.Channel, key: str) -> None:
        super().__init__(daemon=True)
        self._call = keys_pb2_grpc.SigningServiceStub(opened).Sign
        self._key = key
        self.answered: list[keys_pb2.SignResponse] = []
        self.refused: list[grpc.RpcError] = []

    def run(self) -> None:
        while len(self.refused) < 3:
            request = keys_pb2.SignRequest(name=self._key, request_id=fresh_id(), data=uuid.uuid4().bytes)
            try:
                self.answered.append(self._call(request, timeout=20))
            except grpc.RpcError as error:
                self.refused.append(error)


class Watcher(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, frames: grpc.Call) -> None:
        super().__init__(daemon=True)
        self._frames = frames
        self.last: object = None
        self.error: grpc.RpcError | None = None
        self.begun = threading.Event()

    def run(self) -> None:
        try:
            for frame in self._frames:
                self.last = frame
                self.begun.set()
        except grpc.RpcError as error:
            self.error = error


def _new_key(admin: grpc.Channel) -> str:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    return keys_pb2_grpc.KeyServiceStub(admin).CreateKey(request, timeout=20).key.name


def _streams(admin: grpc.Channel) -> dict[str, Watcher]:
    everybody = events_pb2.WatchEventsRequest(parent=PARENT, feeds=[events_pb2.FeedStart(feed=events_pb2.FEED_GLOBAL)])
    started = {
        "events": Watcher(events_pb2_grpc.EventServiceStub(admin).WatchEvents(everybody)),
        "revocations": Watcher(
            revocation_pb2_grpc.RevocationServiceStub(admin).WatchRevocations(
                revocation_pb2.WatchRevocationsRequest(parent=PARENT)
            )
        ),
        "entries": Watcher(log_pb2_grpc.LogServiceStub(admin).StreamEntries(log_pb2.StreamEntriesRequest(follow=True))),
        "health": Watcher(health_pb2_grpc.HealthStub(admin).Watch(health_pb2.HealthCheckRequest())),
    }
    for watcher in started.values():
        watcher.start()
    for watcher in started.values():
        assert watcher.begun.wait(10)
    return started


def _leaves(home: Path) -> set[bytes]:
    """Of the log's entries, from the public files that the closed server left, after verifying all of them."""
    vkeys = [parse_vkey(line) for line in (home / "public" / "verifier-keys").read_text().splitlines()]
    fetch = folder_fetcher(home / "public")
    report = audit(fetch, vkeys, origin="log.example/drain")
    return {leaf_hash(entry) for entry in entries(fetch, report.checkpoint.size)}


def test_a_server_that_is_told_to_stop_loses_nothing_and_says_goodbye(server: RunningService) -> None:
    with channel(server) as admin, channel(server, "auditor") as auditor:
        key, streams = _new_key(admin), _streams(admin)
        health = health_pb2_grpc.HealthStub(auditor)
        signers = [Signer(admin, key) for _ in range(SIGNERS)]
        for signer in signers:
            signer.start()
        time.sleep(1)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        time.sleep(NOTICE_SECONDS / 2)
        before = sum(len(signer.answered) for signer in signers)
        status = health.Check(health_pb2.HealthCheckRequest(), timeout=5).status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING, "health changes first"
        assert server.process.wait(20) == 0
        for thread in (*signers, *streams.values()):
            thread.join(20)
    answered = [answer for signer in signers for answer in signer.answered]
    assert len(answered) > before, "calls were taken while health said NOT_SERVING already"
    assert {answer.log.leaf_hash for answer in answered} <= _leaves(server.home)
    refused = [error for signer in signers for error in signer.refused]
    assert {error.code() for error in refused} <= RETRYABLE
    assert [read_refusal(signer.refused[0]).reason for signer in signers] == ["SHUTTING_DOWN"] * SIGNERS
    assert streams["events"].last.goodbye.reason == "draining"
    pause = streams["events"].last.goodbye
    assert pause.retry_after_min.ToTimedelta() < pause.retry_after_max.ToTimedelta(), "clients come back one by one"
    assert streams["revocations"].last.goodbye.reason == "draining"
    assert streams["health"].last.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert {watcher.error for watcher in streams.values()} == {None}


def test_a_second_signal_ends_it_at_once(server: RunningService) -> None:
    assert server.process is not None
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(NOTICE_SECONDS / 4)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == -signal.SIGTERM
    assert time.monotonic() - began < NOTICE_SECONDS
    server.start()
    with channel(server) as admin:
        _new_key(admin)
    assert server.stop() == 0
