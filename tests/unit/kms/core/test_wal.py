import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa

from kms.core import wal
from kms.core.database import Database
from kms.core.wal import _copy


def _frames_left(path: Path) -> int:
    with sqlite3.connect(path) as other:
        _, pages, copied = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    other.close()
    return pages - copied


async def test_what_was_written_reaches_the_database_file_while_the_writer_writes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wal, "_ROUND_SECONDS", 0.01)
    path = tmp_path / "kept.db"
    database = Database(f"sqlite:///{path}")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (content BLOB)")
    try:
        until = time.monotonic() + 10
        size = 0
        while size < 2_000_000 and time.monotonic() < until:
            await database.write(lambda tx: tx.execute(sa.text("INSERT INTO t VALUES (zeroblob(50000))")))
            size = path.stat().st_size
        assert size >= 2_000_000, "nobody closed the database, yet its file grows"
    finally:
        database.close()


def test_a_long_log_starts_from_its_beginning(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wal, "_PAGES_MAX", 10)
    path = tmp_path / "long.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE t (content BLOB)")
    log = path.with_name("long.db-wal")
    for _ in range(20):
        connection.execute("INSERT INTO t VALUES (zeroblob(20000))")
        _copy(connection)
    assert log.stat().st_size < 20 * 20000
    assert _frames_left(path) == 0
    connection.close()
