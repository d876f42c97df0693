"""What the database tells, on each kind of database."""

import math
from datetime import timedelta

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from kms import migrations
from kms.collateral.model import CollateralKind
from kms.core.database import Database, to_microseconds
from kms.metrics.stored import StoredMetrics, read_stored
from support.clock import START

NOW = START
EARLIER = to_microseconds(NOW - timedelta(hours=1))
ROWS = (
    "INSERT INTO tlog_state (id, origin, size, root) VALUES (1, 'log.example', 12, :hash)",
    "INSERT INTO tlog_queue (event_key, data) VALUES ('k1', :hash), ('k2', :hash)",
    "INSERT INTO tlog_checkpoint (size, root, note, sign_time) VALUES (9, :hash, :hash, :earlier)",
    "INSERT INTO tlog_checkpoint (size, root) VALUES (12, :hash)",
    (
        "INSERT INTO collateral_item (owner, kind, key, id, sha256, source, size, version, fetch_time, update_time) "
        "VALUES ('system', 'amd-crl', 'a', 'i1', 's', 'f', 1, '{}', :earlier, :earlier)"
    ),
)


async def test_an_empty_database(database_url: str) -> None:
    database = Database(database_url)
    migrations.upgrade(database.engine)
    found = await database.read(lambda tx: read_stored(tx, NOW))
    database.close()
    assert (found.log_size, found.pending, found.held, found.leases_due, found.removals_overdue) == (0, 0, 0, 0, 0)
    assert (found.checkpoint_time, found.next_rotation, found.collateral) == (None, None, {})
    registry = CollectorRegistry()
    StoredMetrics(registry).tell(found, NOW)
    assert math.isnan(registry.get_sample_value("hallmark_log_checkpoint_age_seconds") or 0)


async def test_what_is_there(database_url: str) -> None:
    database = Database(database_url)
    migrations.upgrade(database.engine)

    def fill(tx: sa.Connection) -> None:
        for row in ROWS:
            values = {"hash": bytes(32), "earlier": EARLIER}
            tx.execute(sa.text(row), {name: value for name, value in values.items() if f":{name}" in row})

    await database.write(fill)
    found = await database.read(lambda tx: read_stored(tx, NOW))
    database.close()
    assert (found.log_size, found.published_size, found.pending) == (12, 9, 2)
    assert found.collateral == {CollateralKind.AMD_CRL: NOW - timedelta(hours=1)}
    registry = CollectorRegistry()
    StoredMetrics(registry).tell(found, NOW)
    assert registry.get_sample_value("hallmark_log_checkpoint_age_seconds") == 3600
    assert registry.get_sample_value("hallmark_collateral_age_seconds", {"kind": "amd-crl"}) == 3600
    assert registry.get_sample_value("hallmark_log_pending_entries") == 2


async def test_commits_are_told_and_waiting_writes_counted(database_url: str) -> None:
    took: list[float] = []
    database = Database(database_url, committed=took.append)
    await database.write(lambda tx: tx.execute(sa.text("SELECT 1")).scalar())
    database.close()
    assert len(took) == 1
    assert 0 < took[0] < 30
    assert database.writes_waiting == 0
