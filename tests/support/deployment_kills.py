"""Whom to kill in a deployment: a replica, the one that writes the log just then, PostgreSQL."""

import signal
import time
from typing import Final

import sqlalchemy as sa

from support.postgresql import PostgresqlServer
from support.replicas import Replicas
from support.service import RunningService

_LOOK_SECONDS: Final = 0.0005
_PATIENCE_SECONDS: Final = 20.0
NAMES: Final = "first", "second"
"""What each replica calls itself to PostgreSQL, so that one sees which of them holds what."""

_SEQUENCING = sa.text(
    "SELECT application_name FROM pg_stat_activity WHERE datname = :database AND state <> 'idle' "
    "AND (query LIKE '%tlog_state%' OR query LIKE '%tlog_tile%' OR query LIKE '%tlog_entry%') "
    "AND application_name IN ('first', 'second') ORDER BY (query LIKE 'UPDATE%' OR query LIKE 'INSERT%') DESC LIMIT 1"
)
"""Who is in a transaction whose last statement was about the log's head, its tiles or its entries."""


def named_urls(url: str) -> tuple[dict[str, str], dict[str, str]]:
    """The environment of either replica."""
    urls = [sa.make_url(url).update_query_dict({"application_name": name}) for name in NAMES]
    first, second = ({"HALLMARK__DATABASE__URL": each.render_as_string(hide_password=False)} for each in urls)
    return first, second


def sequencer(postgresql: PostgresqlServer, replicas: Replicas) -> RunningService:
    """The replica that writes the log at this moment: there is no leader, so it has to be caught at it."""
    engine = sa.create_engine(postgresql.admin, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with engine.connect() as connection:
        while time.monotonic() < deadline:
            found = connection.execute(_SEQUENCING, {"database": sa.make_url(replicas.url).database}).scalar()
            if found is not None:
                return replicas.both[NAMES.index(found)]
            time.sleep(_LOOK_SECONDS)
    raise AssertionError("nobody writes the log")


def kill_postgresql(postgresql: PostgresqlServer) -> None:
    """SIGKILL for the postmaster; its backends notice and end, and only then may another one start."""
    cluster = postgresql.cluster
    assert cluster is not None
    assert cluster.process is not None
    cluster.process.send_signal(signal.SIGKILL)
    cluster.process.wait(_PATIENCE_SECONDS)


def start_postgresql(postgresql: PostgresqlServer) -> None:
    """It recovers from its write-ahead log. Backends of the killed one hold its shared memory for a moment."""
    assert postgresql.cluster is not None
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            postgresql.cluster.start()
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
