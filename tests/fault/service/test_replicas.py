"""Two replicas under load while one is killed, their connections are cut and PostgreSQL crashes; then a checker.

Callers go to either replica, and after a failure to either again, with the same request_id.
"""

import random
import signal
import time
from pathlib import Path

import grpc

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from hallmark_client import Client
from hallmark_tlog.checkpoint import Checkpoint
from rpc.wire import Refusal, channel, fresh_id, refused
from support.kill_book import Book
from support.kill_checks import (
    check_answers,
    check_envelopes,
    check_keys,
    check_log,
    check_revocations,
    published,
)
from support.kill_load import Load
from support.postgresql import PostgresqlServer
from support.replicas import Replicas, two_replicas
from support.service import RunningService

MORE = 30
CUTS = 4
SEED = 11


class EitherReplica:
    """What a load balancer is to a client."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def client(self, role: str = "admin", *, timeout_seconds: float = 20) -> Client:
        return random.choice(self._replicas.both).client(role, timeout_seconds=timeout_seconds)


def test_nothing_is_lost_or_done_twice(postgresql: PostgresqlServer, tmp_path: Path, record_property) -> None:
    seen: list[Checkpoint] = []
    with postgresql.database() as url, two_replicas(tmp_path, url) as replicas:
        either = EitherReplica(replicas)
        with Load(either, seed=SEED) as book:
            _wait_for_more(replicas, book, seen)
            replicas.second.kill()
            _wait_for_more(replicas, book, seen)
            replicas.second.start()
            cut = 0
            for _ in range(CUTS):
                time.sleep(0.4)
                cut += postgresql.end_connections(url)
            _wait_for_more(replicas, book, seen)
            if postgresql.cluster is not None:
                _crash(postgresql, replicas)
            _wait_for_more(replicas, book, seen)
        assert book.findings == []
        assert book.stumbles == [], "a database that is away is nobody's internal error"
        asked = check_answers(either, book, seed=SEED)
        for replica in replicas.both:
            with replica.client() as client:
                check_keys(client, book)
                check_revocations(client, book)
                check_envelopes(client, book)
        deadlocks = _deadlocks(postgresql, url)
        for replica in replicas.both:
            assert replica.stop() == 0
        size = check_log(replicas.first, book, seen)
    record_property(
        "fault summary",
        f"two replicas on PostgreSQL: one killed, {cut} connections cut, the database crashed; {len(book.asks)} calls "
        f"acknowledged, none lost or done twice, {asked} asked again; one log of {size} entries; {deadlocks} deadlocks",
    )


def _wait_for_more(replicas: Replicas, book: Book, seen: list[Checkpoint]) -> None:
    """The service works."""
    before, deadline = len(book.asks), time.monotonic() + 60
    while len(book.asks) < before + MORE:
        assert time.monotonic() < deadline, book.findings or "nothing was answered"
        time.sleep(0.05)
    seen.append(published(replicas.first))


def _crash(postgresql: PostgresqlServer, replicas: Replicas) -> None:
    """Meanwhile callers are told that it is the database, and when to come back."""
    assert postgresql.cluster is not None
    postgresql.cluster.stop(signal.SIGQUIT)
    refusals = [_refused_sign(replica) for replica in replicas.both]
    postgresql.cluster.start()
    for refusal in refusals:
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        assert refusal.details["RetryInfo"].retry_delay.seconds > 0


def _refused_sign(service: RunningService) -> Refusal:
    with channel(service, "backend") as opened:
        request = keys_pb2.SignRequest(name="tenants/default/keys/any", data=b"x", request_id=fresh_id())
        return refused(keys_pb2_grpc.SigningServiceStub(opened).Sign, request)


def _deadlocks(postgresql: PostgresqlServer, url: str) -> int:
    name = url.rpartition("/")[2]
    ((count,),) = postgresql.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = :name", name=name)
    return int(count)
