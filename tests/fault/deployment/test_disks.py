"""A disk that takes seconds for each fsync, and one that is full: under the server with SQLite, and under PostgreSQL.

Callers are told typed and in time, health tells which part it is, nothing acknowledged is lost, and all of it works again
by itself when the disk does.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rpc.test_health import page
from support.deployment_full_disk import small_disk
from support.deployment_recovery import PROPERTY, count_lost, fault_row, until_it_signs
from support.deployment_slow_disk import slow_disk
from support.fault_runs import LONG, SEED, long_only
from support.kill_book import Book
from support.kill_checks import check_answers, check_envelopes, check_keys, check_log, check_revocations, published
from support.kill_load import Load
from support.postgresql import Cluster, PostgresqlServer, binaries
from support.service import RunningService, running_service

SICK_SECONDS = 25.0 if LONG else 6.0
FSYNC_SECONDS = 3.0
TOLD_SECONDS = 12.0
PATIENCE_SECONDS = 60.0
DISK_MIB = 48
CLUSTER_MIB = 300
"""PostgreSQL starts with 40."""


@dataclass(frozen=True, slots=True)
class Illness:
    """`again`: what has to be done again and again while it lasts."""

    name: str
    sicken: Callable[[], object]
    heal: Callable[[], object]
    again: Callable[[], object] = lambda: None


def test_a_slow_disk_under_sqlite(tmp_path: Path, record_property) -> None:
    disk = slow_disk(tmp_path)
    slow = Illness("slow disk under SQLite", lambda: disk.take(FSYNC_SECONDS), lambda: disk.take(0))
    with running_service(tmp_path / "home", environment=disk.environment) as service:
        _fall_sick_and_heal(service, slow, record_property)


def test_a_full_disk_under_sqlite(tmp_path: Path, record_property) -> None:
    """Everything of the server is on it: the database, the token, public files, its log."""
    with small_disk(tmp_path / "disk", mebibytes=DISK_MIB) as disk, running_service(disk.folder / "home") as service:
        full = Illness("full disk under SQLite", disk.fill, disk.make_room, again=disk.fill)
        _fall_sick_and_heal(service, full, record_property)
        assert "lines of this log could not be written and are lost" in service.log


@long_only
@pytest.mark.parametrize("seconds", [FSYNC_SECONDS, 18.0])
def test_a_slow_disk_under_postgresql(tmp_path: Path, record_property, seconds: float) -> None:
    """For 3 s; and for longer than a transaction may take, so that the server gives up the connection."""
    with _for_postgresql() as folder:
        disk = slow_disk(folder)
        with _service_on_postgresql(tmp_path, folder / "cluster", disk.environment) as service:
            name = f"slow disk under PostgreSQL, {seconds:.0f} s an fsync"
            _fall_sick_and_heal(
                service, Illness(name, lambda: disk.take(seconds), lambda: disk.take(0)), record_property
            )


@long_only
def test_a_full_disk_under_postgresql(tmp_path: Path, record_property) -> None:
    with _for_postgresql() as folder, small_disk(folder / "disk", mebibytes=CLUSTER_MIB) as disk:
        disk.folder.chmod(0o755)
        with _service_on_postgresql(tmp_path, disk.folder / "cluster", {}) as service:
            full = Illness("full disk under PostgreSQL", disk.fill, disk.make_room, again=disk.fill)
            _fall_sick_and_heal(service, full, record_property)


@contextlib.contextmanager
def _for_postgresql() -> Iterator[Path]:
    """A folder that another user may enter."""
    with tempfile.TemporaryDirectory(prefix="hallmark-postgresql-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def _service_on_postgresql(tmp_path: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[RunningService]:
    folder.mkdir()
    cluster = Cluster(binaries(), folder, environment=dict(environment))
    cluster.make()
    try:
        cluster.start()
        with (
            PostgresqlServer(cluster.url, cluster).database() as url,
            running_service(tmp_path / "home", environment={"HALLMARK__DATABASE__URL": url}) as service,
        ):
            yield service
    finally:
        cluster.stop()


def _fall_sick_and_heal(service: RunningService, illness: Illness, record_property) -> None:
    seen = []
    with Load(service, seed=SEED) as book:
        _wait_for_more(book)
        seen.append(published(service))
        before, began = len(book.asks), time.monotonic()
        illness.sicken()
        told, while_sick = _what_health_tells(service, illness, began)
        illness.heal()
        healed_at, meanwhile = time.monotonic(), len(book.asks) - before
        seconds = until_it_signs(service, min(book.signing), since=healed_at)
        _wait_for_more(book)
    assert book.findings == []
    assert book.stumbles == [], "a disk is nobody's internal error"
    for part in ("writes", "log", "hsm", "database"):
        _until_well(service, part)
    service.kill()
    service.start()
    lost = _count_lost(service, book, seen)
    assert lost == 0
    record_property(
        PROPERTY, fault_row(f"{illness.name}: healed, it signs", calls=len(book.asks), lost=lost, recovery=[seconds])
    )
    record_property(
        "fault summary",
        f"{illness.name}, {healed_at - began:.0f} s: {meanwhile} calls acknowledged meanwhile, health told after "
        f"{told:.1f} s: {while_sick}",
    )


def _what_health_tells(service: RunningService, illness: Illness, began: float) -> tuple[float, str]:
    """After how many seconds that writes do not work, and how."""
    told = None
    while time.monotonic() < began + SICK_SECONDS or told is None:
        assert time.monotonic() < began + SICK_SECONDS + TOLD_SECONDS, "health says nothing"
        code, body = page(service, "/readyz/writes")
        if code == 503 and told is None:
            told = time.monotonic() - began, body.decode().strip()
        assert page(service, "/livez")[0] == 200
        illness.again()
        time.sleep(0.1)
    return told


def _until_well(service: RunningService, part: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := page(service, f"/readyz/{part}"))[0] != 200:
        assert time.monotonic() < deadline, f"{part} does not heal: {found[1].decode()}"
        time.sleep(0.1)


def _count_lost(service: RunningService, book: Book, seen: list) -> int:
    check_answers(service, book, seed=SEED)
    with service.client() as client:
        check_keys(client, book)
        check_revocations(client, book)
        check_envelopes(client, book)
    assert service.stop() == 0
    return count_lost(service, book, check_log(service, book, seen))


def _wait_for_more(book: Book, more: int = 30) -> None:
    before, deadline = len(book.asks), time.monotonic() + PATIENCE_SECONDS
    while len(book.asks) < before + more:
        assert not book.findings, book.findings
        assert time.monotonic() < deadline, "nothing was answered"
        time.sleep(0.05)
