"""One replica is cut off from the database: packets vanish, nobody is told. The other goes on.

The one that is cut off says so quickly and typed, its health says so where health tells of the database, and it works
again by itself when the way is open. What either acknowledged is there, once, in one log.
"""

import contextlib
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import sqlalchemy as sa

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from hallmark_tlog.checkpoint import Checkpoint
from rpc.wire import channel, fresh_id, read_refusal
from support.deployment_cuts import Relay, let_in, namespace
from support.deployment_recovery import PROPERTY, count_lost, fault_row, until_it_signs
from support.fault_runs import SEED, long_only
from support.kill_book import Book
from support.kill_checks import check_answers, check_keys, check_log, check_revocations, published
from support.kill_load import Load
from support.postgresql import Cluster, PostgresqlServer, binaries
from support.replicas import EitherReplica, Replicas, two_replicas
from support.service import RunningService

CUT_SECONDS = 45.0
NOTICED_SECONDS = 22.0
"""A silent connection has 10 s (tcp_user_timeout), a transaction that is not answered 15 s (kms.core.database_reach),
and then a new connection 5 s (connect_timeout).
"""
SOON_SECONDS = 0.2
HELD_SECONDS = 6.5
"""From then on most are told at once, and the one that tries again after the 5 s that connecting may take."""
CALLERS = 6
CALL_SECONDS = 30.0


@dataclass
class Asking:
    """Callers of the replica that is cut off, each with calls of 30 s: how long each waited, and what it was told."""

    service: RunningService
    key: str
    waits: list[tuple[float, float, str]] = field(default_factory=list)
    """When it began (time.monotonic), seconds, code and reason."""
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        with channel(self.service, "backend") as opened:
            stub = keys_pb2_grpc.SigningServiceStub(opened)
            while not self.stop.is_set():
                request = keys_pb2.SignRequest(name=self.key, data=uuid.uuid4().bytes, request_id=fresh_id())
                began = time.monotonic()
                try:
                    stub.Sign(request, timeout=CALL_SECONDS)
                    told = "OK"
                except grpc.RpcError as error:
                    told = f"{error.code().name} {read_refusal(error).reason}"
                self.waits.append((began, time.monotonic() - began, told))
                self.stop.wait(0.1)


@long_only
def test_a_replica_without_its_database(postgresql: PostgresqlServer, tmp_path: Path, record_property) -> None:
    with postgresql.database() as url:
        relay = Relay(url).start()
        try:
            with two_replicas(tmp_path, url, each=({}, {"HALLMARK__DATABASE__URL": relay.url})) as replicas:
                _cut_and_heal(replicas, relay.cut, relay.heal, "relay that stops", record_property)
        finally:
            relay.close()


@long_only
def test_a_replica_in_a_network_of_its_own(tmp_path: Path, record_property) -> None:
    """The same, with packets that the kernel drops."""
    with namespace() as net, _reachable_postgresql(net.database_address) as cluster:
        server = PostgresqlServer(cluster.url, cluster)
        with server.database() as url:
            theirs = sa.make_url(url).set(host=net.database_address).render_as_string(hide_password=False)
            second = {
                "HALLMARK__DATABASE__URL": theirs,
                "HALLMARK__SERVER__ADDRESS": net.replica_address,
            }
            settings = f'[server]\nhost_names = ["localhost", "{net.replica_address}"]'
            either = two_replicas(tmp_path, url, settings=settings, each=({}, second), second_within=net.prefix)
            with either as replicas:
                _cut_and_heal(replicas, net.cut, net.heal, "network namespace", record_property)


@contextlib.contextmanager
def _reachable_postgresql(address: str) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="hallmark-postgresql-", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(binaries(), Path(folder), settings=(f"listen_addresses=127.0.0.1,{address}",))
        cluster.make()
        let_in(cluster)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _cut_and_heal(
    replicas: Replicas, cut: Callable[[], None], heal: Callable[[], None], how: str, record_property
) -> None:
    seen: list[Checkpoint] = []
    either = EitherReplica(replicas)
    with Load(either, seed=SEED) as book:
        _wait_for_more(book, replicas, seen)
        asking = Asking(replicas.second, f"tenants/default/keys/{min(book.signing)}")
        callers = [threading.Thread(target=asking.ask) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        cut_at = time.monotonic()
        cut()
        first_seconds = until_it_signs(replicas.first, min(book.signing), since=cut_at)
        time.sleep(CUT_SECONDS)
        _wait_for_more(book, replicas, seen)
        healed_at = time.monotonic()
        heal()
        second_seconds = until_it_signs(replicas.second, min(book.signing), since=healed_at)
        asking.stop.set()
        for caller in callers:
            caller.join(30)
        _wait_for_more(book, replicas, seen)
    noticed = _check_what_callers_were_told(asking, cut_at, healed_at)
    assert book.findings == []
    assert book.stumbles == []
    check_answers(either, book, seed=SEED)
    for replica in replicas.both:
        with replica.client() as client:
            check_keys(client, book)
            check_revocations(client, book)
    for replica in replicas.both:
        assert replica.stop() == 0
    # What was signed for those who asked the second replica alone is in the log as well.
    size = check_log(replicas.first, book, seen)
    lost = count_lost(replicas.first, book, size)
    assert lost == 0
    calls = len(book.asks)
    name = f"cut off from PostgreSQL ({how})"
    record_property(PROPERTY, fault_row(f"{name}: the other signs", calls=calls, lost=lost, recovery=[first_seconds]))
    record_property(PROPERTY, fault_row(f"{name}: healed, it signs", calls=calls, lost=lost, recovery=[second_seconds]))
    record_property("fault summary", f"{name} for {healed_at - cut_at:.0f} s: {noticed}")


def _check_what_callers_were_told(asking: Asking, cut_at: float, healed_at: float) -> str:
    told = [wait for wait in asking.waits if cut_at < wait[0] + wait[1]]
    assert {what for _, _, what in told} <= {"OK", "UNAVAILABLE DATABASE_UNAVAILABLE"}, told
    during = [wait for wait in told if wait[2] != "OK"]
    assert during, "nobody was told anything"
    noticed = min(began + seconds for began, seconds, _ in during) - cut_at
    assert noticed < NOTICED_SECONDS
    later = [seconds for began, seconds, _ in during if cut_at + noticed < began < healed_at - 1]
    assert later, "all were held until the end"
    assert statistics.median(later) < SOON_SECONDS
    assert max(later) < HELD_SECONDS, f"held for {max(later):.1f} s although the cut was known"
    return (
        f"noticed after {noticed:.1f} s; from then on {len(later)} calls were refused within "
        f"{statistics.median(later):.2f} s (median) and {max(later):.2f} s (worst)"
    )


def _wait_for_more(book: Book, replicas: Replicas, seen: list[Checkpoint], more: int = 20) -> None:
    before, deadline = len(book.asks), time.monotonic() + 90
    while len(book.asks) < before + more:
        assert not book.findings, book.findings
        assert time.monotonic() < deadline, "nothing was answered"
        time.sleep(0.05)
    seen.append(published(replicas.first))
