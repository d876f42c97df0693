"""An edge beside a replica of the real service: a process of its own, without a token, with a restricted database role."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from kms.edge.grants import statements
from support.postgresql import PostgresqlServer
from support.service import RunningService, prepare_home

NAME = "one"
REPLICA_SETTINGS = f'[edge]\nnames = ["{NAME}"]\n'


@contextmanager
def restricted_role(server: PostgresqlServer, url: str) -> Iterator[str]:
    """URL of the same database for a new role that has what docs/operations.md says, and nothing else."""
    role, password = f"edge_{secrets.token_hex(4)}", secrets.token_hex(16)
    server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements(role):
            connection.execute(sa.text(statement))
    try:
        yield sa.make_url(url).set(username=role, password=password).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {role}"))
        server.execute(f"DROP ROLE {role}")


@contextmanager
def running_edge(
    folder: Path, replica: RunningService, url: str, *, api: tuple[str, ...] = (), files: bool = True
) -> Iterator[RunningService]:
    """`url`: of its database role. `api`: default the replica's address; `files`: it sees the replica's public files."""
    home = folder / "edge"
    home.mkdir()
    shutil.copytree(replica.home / "clients" / f"edge-{NAME}", home / "edge")
    environment = {
        "HALLMARK__DATABASE__URL": url,
        "HALLMARK__EDGE__API": ",".join(api or (str(replica.facts["address"]),)),
    }
    if files:
        environment["HALLMARK__EDGE__PUBLIC_FOLDER"] = str(replica.home / "public")
    edge = RunningService(home, prepare_home(home), ("--edge",), environment)
    try:
        edge.start()
        yield edge
    finally:
        if edge.process is not None and edge.process.poll() is None:
            edge.kill()
