"""`hallmark access` set, get, list, dry-run, activate, schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.access.naming import VERSION, VERSION_NUMBER, last_part
from kms.cli.connection import Server, server_options
from kms.cli.failure import CommandError, ExitCode
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, read_file, short

if TYPE_CHECKING:
    from hallmark_client.model.access import AccessChange, AccessDryRun

_DOCUMENT_BYTES_MAX = 256 * 1024
_START = "`hallmark access schema` has the names that count; docs/access.md has policies that work"


@click.command("set")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--title", default="", help="What it is for, at most 100 characters.")
@click.option("--check-only", is_flag=True, help="Only check it; keep nothing.")
@server_options("admin")
@json_option
def set_policy(file: Path, title: str, check_only: bool, server: Server, as_json: bool) -> None:
    """Check FILE (Cedar) and keep it as a new version, signed and logged. Nothing is decided by it yet.

    Every statement needs an @id. Every mistake is told with the line at which its statement begins.

    \b
    Example:  hallmark access set access.cedar --title "only our network"
    Then:     hallmark access dry-run 1
    """
    document = read_file(file, _DOCUMENT_BYTES_MAX)
    with server.connect() as client, _mistakes_explained():
        change = client.access.set(document, title=title, validate_only=check_only)
    if as_json:
        print_json(change.to_dict())
    elif check_only:
        click.echo(f"{file} is a policy that fits this server. Next: hallmark access set {file}")
    else:
        number = last_part(change.policy.name)
        click.echo(f"Kept {file} as version {number}. Next: hallmark access dry-run {number}")


@click.command()
@click.argument("version", type=VERSION, default="active")
@server_options("auditor")
@json_option
def get(version: str, server: Server, as_json: bool) -> None:
    """Print a policy: the one in force, or VERSION, a number. It is the file as it was set.

    Its signature is checked with the key that the server tells.

    \b
    Example:  hallmark access get
              hallmark access get 3
    """
    with server.connect() as client:
        found = client.access.get(version)
        if found.signature is not None:
            found.verify(client.access.service_keys())
    if as_json:
        print_json(found.to_dict())
        return
    click.echo(found.document.decode(), nl=False)
    facts = {
        "version": last_part(found.name),
        "title": found.title,
        "state": found.state.value,
        "set": found.create_time,
        "activated": found.activate_time,
        "signed by": found.signature and short(found.signature.key_version),
    }
    print_facts(facts, err=True)


@click.command("list")
@server_options("auditor")
@json_option
def list_policies(server: Server, as_json: bool) -> None:
    """List the versions, newest first.

    \b
    Example:  hallmark access list
    Then:     hallmark access get 3
    """
    with server.connect() as client:
        found = list(client.access.list())
    if as_json:
        print_json({"policies": [each.to_dict() for each in found]})
    elif found:
        rows = [
            (last_part(each.name), each.state.value, each.title, moment(each.create_time), moment(each.activate_time))
            for each in found
        ]
        print_table(("VERSION", "STATE", "TITLE", "SET", "ACTIVATED"), rows)
        if "ACTIVE" not in {each.state.value for each in found}:
            click.echo("None is in force: roles decide alone.")
    else:
        click.echo("Roles decide alone. Next: hallmark access schema > hallmark.cedarschema")


@click.command("dry-run")
@click.argument("version", type=VERSION_NUMBER)
@server_options("admin")
@json_option
def dry_run(version: str, server: Server, as_json: bool) -> None:
    """Tell which calls of late would be decided otherwise if VERSION were activated now. Changes nothing.

    \b
    Example:  hallmark access dry-run 3
    Then:     hallmark access activate 3
    """
    with server.connect() as client:
        found = client.access.dry_run(version)
    if as_json:
        print_json(found.to_dict())
        return
    _tell_changes(found)
    click.echo(f"Next: hallmark access activate {last_part(version)}")


@click.command()
@click.argument("version", type=VERSION_NUMBER)
@click.option("--proposal", default="", metavar="ID", help="Approved proposal, where the server asks for approvals.")
@click.option("--propose", is_flag=True, help="Do not activate: propose it, so that others can approve.")
@click.option("--reason", default="", help="With --propose: why; whoever approves signs it too.")
@server_options("admin")
@json_option
def activate(version: str, proposal: str, propose: bool, reason: str, server: Server, as_json: bool) -> None:
    """Let VERSION decide every call from now on. Also goes back to an earlier version; 0 is the roles alone.

    Refused when you could not activate another one afterwards. Where the server asks for approvals
    (approvals.required.policy_change), propose it first.

    \b
    Example:  hallmark access activate 3
              hallmark access activate 3 --propose --reason "contractors only by day"
              hallmark access activate 3 --proposal ID
    Back to the roles alone:
              hallmark access activate 0
    """
    with server.connect() as client:
        if propose:
            found = client.access.get(version)
            made = client.approvals.propose(
                "policy_change", found.name, reason=reason, parameters_sha256=found.activation_sha256
            )
        else:
            change = client.access.activate(version, proposal=proposal)
    number = last_part(version)
    if as_json:
        print_json(made.to_dict() if propose else change.to_dict())
    elif propose:
        click.echo(f"Proposed to activate version {number}. Next: hallmark approvals show {last_part(made.name)}")
    elif number == "0":
        click.echo("Roles decide alone again. Next: hallmark access list")
    else:
        click.echo(f"Version {number} is in force. Next: hallmark access get")


@click.command()
@json_option
def schema(*, as_json: bool) -> None:
    """Print the Cedar schema that policies are checked against: callers, resources, every action. Needs no server.

    \b
    Example:  hallmark access schema > hallmark.cedarschema
    """
    from kms.access.actions import Actions
    from kms.access.schema import schema_text
    from kms.server.policy import POLICY

    text = schema_text(Actions.of_rows({path: row.roles for path, row in POLICY.items()}))
    if as_json:
        print_json({"schema": text})
    else:
        click.echo(text, nl=False)


@contextmanager
def _mistakes_explained() -> Iterator[None]:
    """POLICY_INVALID means appraisal policies, too, which have other commands to help."""
    from hallmark_client.errors import InvalidArgument

    try:
        yield
    except InvalidArgument as error:
        if error.reason != "POLICY_INVALID":
            raise
        raise CommandError(error.reason, error.message, exit_code=ExitCode.SERVER_SAYS_NO, advice=_START) from error


def _tell_changes(found: "AccessDryRun") -> None:
    kinds = "1 kind of call was looked at" if found.examined == 1 else f"{found.examined} kinds of calls were looked at"
    click.echo(f"{kinds}, {len(found.changes) or 'none'} would change.")
    if found.changes:
        print_table(("CALLER", "CALL", "RESOURCE", "CALLS", "NOW", "THEN", "BY"), list(map(_row, found.changes)))


def _row(change: "AccessChange") -> tuple[str, ...]:
    return (
        "/".join(change.principal.split("/")[-2:]),
        change.action,
        short(change.resource),
        str(change.calls),
        _word(change.allowed_now),
        _word(change.allowed_then),
        ", ".join(change.statements),
    )


def _word(allowed: bool) -> str:
    return "allowed" if allowed else "refused"
