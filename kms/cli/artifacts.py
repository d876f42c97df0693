"""`hallmark artifacts`: which artifacts may be used, and from which version of a model on."""

from typing import TYPE_CHECKING

import click

from kms.cli.artifact_digest import artifact_digest
from kms.cli.connection import Server, server_options
from kms.cli.identifiers import Identifier
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table, short

if TYPE_CHECKING:
    from hallmark_client.model.artifacts import ArtifactChange, ArtifactStatus

_MODEL = Identifier("model", "models", "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", "the id of a model, such as fraud-net")


@click.group()
def artifacts() -> None:
    """Artifacts by digest: suspend and resume them; demand a newer version of a model.

    Everybody hears of it: in the global feed within a second, in the public files within a few. To take an artifact
    back for ever: hallmark revoke artifacts/SHA256 --reason policy-violation

    \b
    Example:  hallmark artifacts suspend adapter.safetensors
              hallmark artifacts min-version fraud-net 7
    """


@artifacts.command()
@click.argument("artifact", metavar="FILE|SHA256")
@server_options("admin")
@json_option
def suspend(artifact: str, server: Server, as_json: bool) -> None:
    """Nobody may use the artifact until it is resumed.

    \b
    Example:  hallmark artifacts suspend adapter.safetensors
    Then:     hallmark artifacts resume adapter.safetensors
    """
    digest = artifact_digest(artifact)
    with server.connect() as client:
        change = client.artifacts.suspend(digest)
    _tell(change, "Suspended. Everybody who listens has been told.", as_json=as_json)


@artifacts.command()
@click.argument("artifact", metavar="FILE|SHA256")
@server_options("admin")
@json_option
def resume(artifact: str, server: Server, as_json: bool) -> None:
    """End a suspension. What allows something is told with its proof: when the log has published it.

    \b
    Example:  hallmark artifacts resume adapter.safetensors
    Then:     hallmark artifacts list
    """
    digest = artifact_digest(artifact)
    with server.connect() as client:
        change = client.artifacts.resume(digest, wait="published")
    _tell(change, "It may be used again: the log has published it.", as_json=as_json)


@artifacts.command("min-version")
@click.argument("name", metavar="MODEL", type=_MODEL)
@click.argument("version", type=click.IntRange(min=1))
@server_options("admin")
@json_option
def minimum_version(name: str, version: int, server: Server, as_json: bool) -> None:
    """Nothing older than VERSION of MODEL may be used. It only goes up.

    \b
    Example:  hallmark artifacts min-version fraud-net 7
    Then:     hallmark artifacts list
    """
    with server.connect() as client:
        change = client.artifacts.set_minimum_version(name, version)
    _tell(change, f"Versions before {version} are not used any more.", as_json=as_json)


@artifacts.command("list")
@server_options("auditor")
@json_option
def list_statuses(server: Server, as_json: bool) -> None:
    """List the artifacts and models of which anything was said; all others are valid.

    \b
    Example:  hallmark artifacts list
    """
    with server.connect() as client:
        found = list(client.artifacts.list())
    if as_json:
        print_json({"statuses": [status.to_dict() for status in found]})
    elif found:
        header = ("NAME", "STATE", "MIN VERSION", "REVISION", "SINCE")
        print_table(header, [_row(status) for status in found])
    else:
        click.echo("Nothing was said of any. Next: hallmark artifacts suspend --help")


def _row(status: "ArtifactStatus") -> tuple[str, ...]:
    least = str(status.minimum_version) if status.minimum_version else ""
    return short(status.name), status.state.value, least, str(status.revision), moment(status.update_time)


def _tell(change: "ArtifactChange", sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(change.to_dict())
    else:
        click.echo(f"{short(change.status.name)}: {sentence}")
