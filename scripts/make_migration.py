"""Writes a new Alembic revision from the difference between the tables in kms/*/store.py and the newest revision.

Usage: python scripts/make_migration.py "what changed"
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from kms import migrations
from kms.core.database import Database


def main(message: str) -> None:
    folder = Path(migrations.__file__).parent
    config = Config()
    config.set_main_option("script_location", str(folder))
    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{scratch}/migration.db")
        migrations.upgrade(database.engine)
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            number = len(list((folder / "versions").glob("[0-9]*.py"))) + 1
            command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        database.close()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        raise SystemExit('say what changed: make migration m="add labels to devices"')
    main(sys.argv[1])
