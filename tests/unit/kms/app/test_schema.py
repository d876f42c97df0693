"""The schema of a database, looked at and brought up to date without a server."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from kms import migrations
from kms.app.offline import DatabaseUnfit
from kms.app.schema import migrate, read_version
from kms.config import Config, load_config
from kms.core.errors import Unavailable
from support.postgresql import PostgresqlServer

NEWEST = migrations.newest()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(environment={}, overrides={"home": tmp_path / "home"})


def on(url: str) -> Config:
    return load_config(environment={"HALLMARK__DATABASE__URL": url})


def execute(config: Config, statement: str) -> list[sa.Row[tuple[str]]]:
    engine = sa.create_engine(config.database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        return list(result) if result.returns_rows else []


def test_looking_makes_nothing(config: Config) -> None:
    found = read_version(config)
    assert (found.stored, found.newest, found.is_current, found.is_known) == (None, NEWEST, False, True)
    assert not config.home.exists()


def test_it_is_made_once(config: Config) -> None:
    before, after = migrate(config)
    assert (before.stored, after.stored) == (None, NEWEST)
    assert after.is_current
    assert read_version(config) == after
    again, still = migrate(config)
    assert again == still == after


def test_a_database_of_a_newer_program_is_left_alone(config: Config) -> None:
    migrate(config)
    execute(config, "UPDATE alembic_version SET version_num = '9999'")
    before, after = migrate(config)
    assert before == after
    assert (after.stored, after.is_known, after.is_current) == ("9999", False, False)


@pytest.mark.parametrize("url", ["mysql://db/hallmark", "postgresql://db/hallmark", "no url"])
def test_urls_that_are_none_of_ours(url: str) -> None:
    with pytest.raises(DatabaseUnfit):
        read_version(on(url))


def test_a_database_that_is_away() -> None:
    away = on("postgresql+psycopg://hallmark@127.0.0.1:1/hallmark?connect_timeout=2")
    with pytest.raises(Unavailable):
        read_version(away)
    with pytest.raises(Unavailable):
        migrate(away)


def test_sqlite_has_no_roles(config: Config) -> None:
    with pytest.raises(DatabaseUnfit, match="only PostgreSQL has roles"):
        migrate(config, edge_role="edge")


@pytest.mark.parametrize("role", ["", "Edge", "edge; DROP TABLE key", 'edge"', "1edge", "e" * 64])
def test_names_that_are_no_role(config: Config, role: str) -> None:
    with pytest.raises(DatabaseUnfit, match="is no name of a role"):
        migrate(config, edge_role=role)


def test_a_role_gets_the_rights_of_an_edge(postgresql: PostgresqlServer) -> None:
    """Once more after each migration, and only to a role that is there."""
    with postgresql.database() as url:
        config, role = on(url), f"edge_{sa.make_url(url).database}"[:63]
        with pytest.raises(DatabaseUnfit, match=f"there is no role {role}"):
            migrate(config, edge_role=role)
        postgresql.execute(f"CREATE ROLE {role} LOGIN")
        try:
            for _ in range(2):
                _, after = migrate(config, edge_role=role)
                assert after.is_current
            granted = execute(
                config,
                f"SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = '{role}'",
            )
            assert ("event", "SELECT") in {tuple(row) for row in granted}
            assert ("event", "INSERT") not in {tuple(row) for row in granted}
        finally:
            execute(config, f"DROP OWNED BY {role}")
            postgresql.execute(f"DROP ROLE {role}")
