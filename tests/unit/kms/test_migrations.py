"""The migrations make exactly the tables that the stores declare, and running them again changes nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import kms.app  # noqa: F401 - imports every store
from kms import migrations
from kms.core.database import Database, metadata
from support.database import fresh_database, migrated_sqlite


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


def test_its_own_list_of_revisions_is_that_of_alembic() -> None:
    """Names of files stand for what the files say, so that a start need not load them."""
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert migrations.newest() == scripts.get_current_head()
    assert all(migrations.is_known(script.revision) for script in scripts.walk_revisions())
    assert not migrations.is_known("9999")


def test_what_is_stored_is_what_alembic_reads(tmp_path: Path, database_url: str) -> None:
    database = Database(database_url or f"sqlite:///{tmp_path / 'empty.db'}")
    try:
        with database.engine.connect() as connection:
            assert migrations.stored(connection) is None
        migrations.upgrade(database.engine)
        with database.engine.connect() as connection:
            assert migrations.stored(connection) == MigrationContext.configure(connection).get_current_revision()
            assert migrations.stored(connection) == migrations.newest()
    finally:
        database.close()


def test_a_database_that_is_up_to_date_does_not_load_alembic(tmp_path: Path) -> None:
    """It is a tenth of a start."""
    (tmp_path / "current.db").write_bytes(migrated_sqlite())
    program = (
        "import sys\n"
        "import kms.app.application\n"
        "from kms import migrations\n"
        "from kms.core.database import Database\n"
        "database = Database(sys.argv[1])\n"
        "migrations.upgrade(database.engine)\n"
        "database.close()\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, f"sqlite:///{tmp_path / 'current.db'}"], check=True)
