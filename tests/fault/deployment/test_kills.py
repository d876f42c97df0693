"""kill -9 of either replica, of the one that writes the log just then, and of PostgreSQL; cut connections; under load.

Nothing acknowledged is lost, nothing is done twice, and the log never forks. HALLMARK_FAULT_KILLS says how many of all
(default: each kind once); recovery is the time from the kill until a signature, by the survivor and by the victim.
"""

import random
import time
from collections import defaultdict
from pathlib import Path

import grpc
import pytest

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from hallmark_client import Client
from hallmark_tlog.checkpoint import Checkpoint
from rpc.wire import Refusal, channel, fresh_id, refused
from support.deployment_kills import kill_postgresql, named_urls, sequencer, start_postgresql
from support.deployment_recovery import PROPERTY, count_lost, fault_row, until_it_signs
from support.fault_runs import KILLS, LONG, SEED
from support.kill_book import Book
from support.kill_checks import check_answers, check_envelopes, check_keys, check_log, check_revocations, published
from support.kill_load import Load
from support.postgresql import PostgresqlServer
from support.replicas import EitherReplica, Replicas, two_replicas
from support.service import RunningService

KINDS = ("sequencer", "postgresql", "connections", *(("replica",) if LONG else ()))
"""A sequencer is a replica, too."""
ROUNDS = KILLS // 5 if LONG else len(KINDS)


class Killing:
    """One deployment; `recovery`: seconds, by what was killed and who worked again."""

    def __init__(self, postgresql: PostgresqlServer, replicas: Replicas, book: Book, randomness: random.Random) -> None:
        self._postgresql = postgresql
        self._book = book
        self._replicas = replicas
        self._randomness = randomness
        self.recovery: dict[str, list[float]] = defaultdict(list)

    @property
    def _key(self) -> str:
        """One that the load signs with until the end."""
        return min(self._book.signing)

    def kill(self, kind: str) -> None:
        match kind:
            case "replica":
                self._kill_replica(kind, self._randomness.choice(self._replicas.both))
            case "sequencer":
                self._kill_replica(kind, sequencer(self._postgresql, self._replicas))
            case "postgresql":
                self._kill_postgresql()
            case "connections":
                began = time.monotonic()
                assert self._postgresql.end_connections(self._replicas.url) > 0
                self._until_both_sign("connections to PostgreSQL ended: both sign", began)

    def _kill_replica(self, kind: str, victim: RunningService) -> None:
        (survivor,) = (each for each in self._replicas.both if each is not victim)
        victim.kill()
        began = time.monotonic()
        self.recovery[f"{kind} killed: the other signs"].append(until_it_signs(survivor, self._key, since=began))
        victim.start()
        self.recovery[f"{kind} killed and started again: it signs"].append(
            until_it_signs(victim, self._key, since=began)
        )

    def _kill_postgresql(self) -> None:
        kill_postgresql(self._postgresql)
        began = time.monotonic()
        for refusal in [_refused_sign(replica) for replica in self._replicas.both]:
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
            assert refusal.details["RetryInfo"].retry_delay.seconds > 0
        start_postgresql(self._postgresql)
        self._until_both_sign("PostgreSQL killed and started again: both sign", began)

    def _until_both_sign(self, what: str, began: float) -> None:
        for replica in self._replicas.both:
            self.recovery[what].append(until_it_signs(replica, self._key, since=began))


# CPython's ssl leaves a socket to the collector when its peer is killed between connecting and wrapping (seen once).
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_kills_lose_nothing(postgresql: PostgresqlServer, tmp_path: Path, record_property) -> None:
    if postgresql.cluster is None:
        pytest.skip("this kills the database: it needs one of its own")
    randomness = random.Random(SEED)
    seen: list[Checkpoint] = []
    kinds = [KINDS[number % len(KINDS)] for number in range(ROUNDS)]
    randomness.shuffle(kinds)
    with postgresql.database() as url, two_replicas(tmp_path, url, each=named_urls(url)) as replicas:
        either = EitherReplica(replicas)
        with Load(either, seed=SEED) as book:
            killing = Killing(postgresql, replicas, book, randomness)
            for kind in kinds:
                _wait_for_more(book, replicas, seen)
                time.sleep(randomness.uniform(0, 0.5))
                killing.kill(kind)
            _wait_for_more(book, replicas, seen)
        assert book.findings == []
        assert book.stumbles == [], "a database or a replica that is away is nobody's internal error"
        asked = check_answers(either, book, seed=SEED)
        for replica in replicas.both:
            with replica.client() as client:
                _check_state(client, book)
        for replica in replicas.both:
            assert replica.stop() == 0
        size = check_log(replicas.first, book, seen)
        lost = count_lost(replicas.first, book, size)
    assert lost == 0
    for fault, recovery in sorted(killing.recovery.items()):
        record_property(PROPERTY, fault_row(fault, calls=len(book.asks), lost=lost, recovery=recovery))
    record_property(
        "fault summary",
        f"two replicas on PostgreSQL, {len(kinds)} kills: {len(book.asks)} calls acknowledged, {asked} asked again, one "
        f"log of {size} entries that extends all of {len(seen)} checkpoints seen on the way",
    )


def _refused_sign(service: RunningService) -> Refusal:
    with channel(service, "backend") as opened:
        request = keys_pb2.SignRequest(name="tenants/default/keys/any", data=b"x", request_id=fresh_id())
        return refused(keys_pb2_grpc.SigningServiceStub(opened).Sign, request)


def _check_state(client: Client, book: Book) -> None:
    check_keys(client, book)
    check_revocations(client, book)
    check_envelopes(client, book)


def _wait_for_more(book: Book, replicas: Replicas, seen: list[Checkpoint], more: int = 20) -> None:
    before, deadline = len(book.asks), time.monotonic() + 90
    while len(book.asks) < before + more:
        assert not book.findings, book.findings
        assert time.monotonic() < deadline, "nothing was answered"
        time.sleep(0.05)
    seen.append(published(replicas.first))
