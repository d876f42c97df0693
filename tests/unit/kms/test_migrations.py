"""The migrations make exactly the tables that the stores declare, and running them again changes nothing."""

from pathlib import Path

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
