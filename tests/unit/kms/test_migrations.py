"""The migrations make exactly the tables that the stores declare, and running them again changes nothing."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import kms.app  # noqa: F401 - imports every store
from kms import migrations
from kms.core.database import metadata
from support.database import fresh_database


def test_migrations_make_what_the_stores_declare(tmp_path: Path, database_url: str) -> None:
    with fresh_database(tmp_path, database_url) as database, database.engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        differences = compare_metadata(context, metadata)
        assert not differences, f'run: make migration m="what changed"  {differences}'


def test_running_them_again_changes_nothing(tmp_path: Path, database_url: str) -> None:
    with fresh_database(tmp_path, database_url) as database:
        migrations.upgrade(database.engine)
        migrations.upgrade(database.engine)


def test_what_a_newer_program_has_made_is_left_as_it_is(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A replica that restarts in the middle of a rolling upgrade: migrations only add, so it can go on."""
    with fresh_database(tmp_path, database_url) as database:
        with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        migrations.upgrade(database.engine)
        with database.engine.connect() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == "9999"
    assert "newer than this program" in caplog.text
