"""SIGKILL of a log under load, at random moments and at chosen ones: no fork, nothing acknowledged lost, no wrong root.

HALLMARK_FAULT_LOG_KILLS says how many (`make test-fault` takes 1,000), HALLMARK_FAULT_SEED which ones. On SQLite, and
on PostgreSQL with two replicas that share a public folder or have one each; PostgreSQL is killed as well.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest

import softhsm
from support.fault_runs import LOG_KILLS, SEED
from support.log_kill_book import Book
from support.log_kill_nursery import Nursery
from support.log_kill_reign import Reign
from support.postgresql import PostgresqlServer


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with Nursery() as started:
        yield started


def _tell(reign: Reign, what: str, size: int, began: float, record_property) -> None:
    book = reign.book
    found = {
        "forks": sum("FORK" in finding for finding in book.findings),
        "lost": sum("LOST" in finding for finding in book.findings),
        "wrong roots": sum("WRONG ROOT" in finding for finding in book.findings),
    }
    counts = {
        f"kills on {what}": reign.killed.total(),
        **dict(sorted(reign.killed.items())),
        "crashes of PostgreSQL": reign.crashes,
        "entries acknowledged": len(book.places),
        "answers": book.answers,
        "checkpoints seen": sum(shown.notes for shown in book.shown.values()),
        "roots": len(book.roots),
        "proofs verified": book.proofs,
        **found,
    }
    record_property("fault counts of the log", counts)
    facts = ", ".join(f"{name} {count}" for name, count in counts.items())
    seconds = time.monotonic() - began
    record_property("fault facts", f"seed {reign.seed}, {seconds:.0f} s: {facts}; {size} entries in the log")


def test_on_sqlite(nursery: Nursery, tmp_path: Path, record_property) -> None:
    began = time.monotonic()
    reign = Reign(nursery, tmp_path, f"sqlite:///{tmp_path / 'log.db'}", [tmp_path / "public"], SEED)
    reign.prepare()
    reign.run(LOG_KILLS * 2 // 5)
    size = reign.check()
    assert reign.book.back_in_time == []
    _tell(reign, "SQLite", size, began, record_property)


def test_with_a_token_that_remembers(nursery: Nursery, tmp_path: Path, record_property) -> None:
    """SoftHSM in a signer process; killed too while it writes what it remembers."""
    softhsm.settings(tmp_path)
    began = time.monotonic()
    reign = Reign(nursery, tmp_path, f"sqlite:///{tmp_path / 'log.db'}", [tmp_path / "public"], SEED + 3)
    reign.softhsm = True
    reign.prepare()
    reign.run(max(2, LOG_KILLS // 20))
    _tell(reign, "SQLite and SoftHSM", reign.check(), began, record_property)


@pytest.mark.parametrize("folders", [1, 2], ids=["one-public-folder", "a-public-folder-each"])
def test_two_replicas_on_postgresql(
    nursery: Nursery, postgresql: PostgresqlServer, tmp_path: Path, folders: int, record_property
) -> None:
    began = time.monotonic()
    publics = [tmp_path / f"public-{number % folders}" for number in range(2)]
    with postgresql.database() as url:
        reign = Reign(nursery, tmp_path, url, publics, SEED + folders, postgresql.cluster)
        reign.prepare()
        reign.run(LOG_KILLS * 3 // 10)
        _tell(reign, "PostgreSQL", reign.check(), began, record_property)


def test_the_checker_sees_what_is_wrong(nursery: Nursery, tmp_path: Path) -> None:
    reign = Reign(nursery, tmp_path, f"sqlite:///{tmp_path / 'log.db'}", [tmp_path / "public"], SEED)
    reign.prepare()
    reign.begin()
    reign.wait_for_proofs()
    reign.end()
    reign.finish()
    reign.check()
    good = reign.book
    size, key = max(good.roots), min(good.places)
    wrongs: dict[str, Callable[[Book], object]] = {
        "two roots for size": lambda book: book.see(size, bytes(32), "in a test"),
        "A WRONG ROOT": lambda book: book.roots.update({size - 1: bytes(32)}),
        "the log ends at": lambda book: book.roots.update({size + 1: bytes(32)}),
        "LOST": lambda book: book.places.update({key: book.places[key] + 1}),
        "was acknowledged at": lambda book: book.leaves.update({key: bytes(32)}),
        "nobody tried it": lambda book: book.tried.pop(key),
    }
    for words, spoil in wrongs.items():
        book = deepcopy(good)
        spoil(book)
        book.check(reign.publics[0])
        assert any(words in finding for finding in book.findings), words
    shutil.rmtree(tmp_path / "public" / "tile")
    blind = Book()
    blind.look(reign.publics[0])
    assert "MissingResource" in blind.findings[0]
