"""The machine's side of a server: room on its disks, its home, and the schema of its database. Nothing is changed."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kms import migrations
from kms.cli.doctor.finding import Finding, Level, ok, problem, warning
from kms.config import Config
from kms.core.database import Database
from kms.core.errors import ServiceError

LEFT_BAD: Final = 0.05
LEFT_LOW: Final = 0.15
BYTES_BAD: Final = 256 * 1024 * 1024
_URL: Final = "such as postgresql+psycopg://user@host/name"


def check_places(config: Config) -> Iterator[Finding]:
    if not config.home.is_dir():
        advice = "`hallmark serve` makes it at its first start; --home or --config says which one"
        yield warning("home", f"there is no folder {config.home}", advice)
        if not config.database_url.startswith("sqlite"):
            yield _schema(config)
        return
    yield from _home(config.home)
    yield from _room(config)
    yield _schema(config)


def _home(home: Path) -> Iterator[Finding]:
    mode = home.stat().st_mode & 0o077
    if mode:
        yield warning("home", f"others may look into {home}", f"chmod go= {home}")
    else:
        yield ok("home", f"{home} is its owner's alone")


def _room(config: Config) -> Iterator[Finding]:
    """Of each volume once: home, public files, guard file."""
    places = [config.home, config.path(config.log.public_folder), config.path(config.log.guard_file).parent]
    volumes = {place.stat().st_dev: place for place in reversed(places) if place.exists()}
    for place in volumes.values():
        usage = shutil.disk_usage(place)
        left = usage.free / usage.total
        says = f"{usage.free // 1024**2} MiB ({left:.0%}) free at {place}"
        if (left < LEFT_BAD and usage.free < 20 * BYTES_BAD) or usage.free < BYTES_BAD:
            yield problem("disk", says, "make room at once: the log stops when nothing can be written")
        elif left < LEFT_LOW and usage.free < 40 * BYTES_BAD:
            yield warning("disk", says, "make room, or see what grows: the database, or the public files")
        else:
            yield ok("disk", says)


def _schema(config: Config) -> Finding:
    """Read as it is: nothing is migrated, and no SQLite file is made."""
    try:
        url = sa.make_url(config.database_url)
    except sa.exc.ArgumentError:
        return problem("database", "database.url is not a URL", _URL)
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).is_file()):
        return problem(
            "database", f"there is no database {url.database}", "`hallmark serve` makes it at its first start"
        )
    try:
        database = Database(config.database_url, readers=1)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        return problem("database", f"database.url can not be used: {error}", _URL)
    try:
        stored = asyncio.run(database.read(migrations.stored))
    except (ServiceError, sa.exc.SQLAlchemyError) as error:
        return problem("database", f"the database does not answer: {error}", "check database.url, and that it runs")
    finally:
        database.close()
    return _compared(stored)


def _compared(stored: str | None) -> Finding:
    newest = migrations.newest()
    if stored == newest:
        return Finding("schema", Level.OK, f"the database has the schema of this version ({newest})")
    if stored is None or migrations.is_known(stored):
        says = f"the database has schema {stored or 'none'}, this version brings {newest}"
        return warning("schema", says, "it is migrated when a server of this version starts")
    return warning(
        "schema",
        f"the database has schema {stored}, which this version ({newest}) does not know: a newer version has been here",
        "update this program; until then older servers go on, because migrations only add",
    )
