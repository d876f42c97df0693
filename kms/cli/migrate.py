"""`hallmark migrate`: the database's schema, before an upgrade and without a server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.failure import ExitCode
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.config import load_config

if TYPE_CHECKING:
    from kms.app.schema import SchemaVersion


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), envvar="HALLMARK_HOME", help="The server's home folder."
)
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="The server's settings.")
@click.option("--check", is_flag=True, help="Change nothing: is the schema that of this version?")
@click.option("--edge-role", metavar="ROLE", help="Give this PostgreSQL role what an edge may do, and nothing else.")
@json_option
def migrate(home: Path | None, file: Path | None, check: bool, edge_role: str | None, as_json: bool) -> None:
    """Bring the database up to this version. A server does it too when it starts; here it is done before.

    Migrations only add: servers of the version before go on meanwhile, so migrate first and replace servers after. Run
    it twice, or by two at once: nothing happens twice. It needs neither HSM nor home folder, only the database.

    With --check nothing is changed; it ends with 1 when the schema is not that of this version.

    \b
    Example:  HALLMARK__DATABASE__URL=postgresql+psycopg://hallmark@db/hallmark hallmark migrate
    Look:     hallmark migrate --config hallmark.toml --check
    Edges:    hallmark migrate --config hallmark.toml --edge-role hallmark_edge
    """
    from kms.app import schema

    if check and edge_role:
        raise click.UsageError("--check changes nothing: leave --edge-role out")
    config = load_config(file, overrides={"home": home})
    if check:
        found = schema.read_version(config)
        _tell(found, found, edge_role=None, as_json=as_json)
        if not found.is_current:
            click.get_current_context().exit(ExitCode.NOT_SO)
        return
    before, after = schema.migrate(config, edge_role=edge_role)
    _tell(before, after, edge_role=edge_role, as_json=as_json)


def _tell(before: "SchemaVersion", after: "SchemaVersion", *, edge_role: str | None, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "before": before.stored,
                "stored": after.stored,
                "newest": after.newest,
                "current": after.is_current,
                "edge_role": edge_role,
            }
        )
        return
    click.echo(_sentence(before, after))
    if edge_role:
        click.echo(f"The role {edge_role} may do what an edge does.")


def _sentence(before: "SchemaVersion", after: "SchemaVersion") -> str:
    if not after.is_known:
        return (
            f"The database has schema {after.stored}, which this version ({after.newest}) does not know: a newer one "
            "has been here. Servers of this version go on; nothing was changed."
        )
    if not after.is_current:
        return f"The database has schema {after.stored or 'none'}; this version brings {after.newest}."
    if before.is_current:
        return f"The database has the schema of this version ({after.newest})."
    return f"The database had schema {before.stored or 'none'}, and has {after.newest} now."
