"""The part of `hallmark keys` that changes keys: rotate, update, the states of versions, compromise, aliases."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.key_approval import tell_update
from kms.cli.key_output import print_key, print_readiness
from kms.cli.key_settings import SettingsGiven, read_labels, settings_options
from kms.cli.output import moment, print_json, print_table, short
from kms.cli.times import MOMENT, SPAN

if TYPE_CHECKING:
    from hallmark_client.client import Client


@click.command()
@click.argument("name")
@click.option("--lead", type=SPAN, metavar="SPAN", help="Publish it this long before it signs; default: the key's own.")
@click.option("--validate-only", is_flag=True, help="Change nothing: say what would happen, and who is not ready.")
@click.option("--proposal", help="Approved proposal, for the service's own keys where the server asks for approvals.")
@click.option("--etag", help="Refuse when the key changed since it had this etag.")
@server_options("admin")
@json_option
def rotate(
    name: str,
    lead: timedelta | None,
    validate_only: bool,
    proposal: str | None,
    etag: str | None,
    server: Server,
    as_json: bool,
) -> None:
    """Make a new version of a key. Older ones verify on and sign no more once it is the primary one.

    Without a lead it signs from now on. With one its public key is in the trust bundle first, so that every client can
    know it before it is used. The service's own keys are rotated the same way, by their whole name; those that sign for
    it have a lead of 8 days, longer than a trust bundle is good for.

    \b
    Example:  hallmark keys rotate manifest --validate-only
              hallmark keys rotate manifest --lead 7d
              hallmark keys rotate tenants/system/keys/trust-bundle
    Then:     hallmark trust readiness manifest
    """
    with server.connect() as client:
        if validate_only:
            _rehearse(client, name, lead, etag, as_json=as_json)
            return
        key = client.keys.rotate(name, lead=lead, proposal=proposal, etag=etag)
    if as_json:
        print_json(key.to_dict())
    elif (waiting := key.next_version) is not None:
        click.echo(f"Made {short(waiting.name)}: published now, signs from {moment(waiting.activate_time)}.")
        click.echo(f"Who has it already: hallmark trust readiness {short(key.name)}")
    else:
        click.echo(f"Rotated {short(key.name)}: {short(key.primary_version)} signs now; older signatures still verify.")
        click.echo(f"Next, give out its public key: hallmark keys public {short(key.name)} --output FILE.pem")


def _rehearse(client: "Client", name: str, lead: timedelta | None, etag: str | None, *, as_json: bool) -> None:
    rehearsal = client.keys.rehearse_rotation(name, lead=lead, etag=etag)
    if as_json:
        print_json(rehearsal.to_dict())
        return
    newest, signs = rehearsal.key.versions[0], rehearsal.key.primary_version
    click.echo(f"Nothing was changed. {short(newest.name)} would sign from {moment(newest.activate_time)};")
    click.echo(f"until then {short(signs)} signs." if signs != newest.name else "that is at once.")
    print_readiness(rehearsal.readiness)


@click.command()
@click.argument("name")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Replaces all labels; several times.")
@settings_options
@click.option("--validate-only", is_flag=True, help="Change nothing: say what would be loosened, and what it takes.")
@click.option("--propose", is_flag=True, help="Change nothing: ask others to approve it.")
@click.option("--reason", default="", help="With --propose: why; whoever approves signs it too.")
@click.option("--proposal", help="The approved one, where the server asks for approvals of what loosens settings.")
@server_options("admin")
@json_option
def update(
    name: str,
    labels: tuple[str, ...],
    settings: SettingsGiven,
    validate_only: bool,
    propose: bool,
    reason: str,
    proposal: str | None,
    server: Server,
    as_json: bool,
) -> None:
    """Change the settings of a key; what is not mentioned stays.

    \b
    Example:  hallmark keys update manifest --rotate-every 90d --lead 7d --verify-tail 365d
              hallmark keys update manifest --max-uses 100000 --not-after 2027-12-31
              hallmark keys update fleet --gate-class factory --gate-max-age 1h
    Where it takes others:
              hallmark keys update manifest --destroy-wait 1d --propose --reason "clean up"
              hallmark approvals approve ID --profile HOME/clients/bob
              hallmark keys update manifest --destroy-wait 1d --proposal ID
    """
    with server.connect() as client:
        key = client.keys.get(name)
        arguments = settings.arguments(key)
        if labels:
            arguments["labels"] = read_labels(labels)
        if not arguments:
            raise click.UsageError("say what to change: see --help")
        if validate_only or propose:
            rehearsal = client.keys.rehearse_update(name, etag=key.etag, **arguments)
            tell_update(client, rehearsal, reason=reason, propose=propose, as_json=as_json)
            return
        key = client.keys.update(name, etag=key.etag, proposal=proposal, **arguments)
    if as_json:
        print_json(key.to_dict())
    else:
        print_key(key)


_ACTIONS: Final = {
    "activate": ("ACTIVATE", "Let a version that waits sign now, without the rest of its lead."),
    "suspend": ("SUSPEND", "Stop a version for a while; `resume` undoes it."),
    "resume": ("RESUME", "Let a suspended version sign again."),
    "deactivate": ("DEACTIVATE", "Stop a version for good; it verifies on."),
    "destroy": ("SCHEDULE_DESTROY", "Destroy a stopped version after the key's waiting period."),
    "restore": ("RESTORE", "Call a destruction off, as long as it waits."),
}


def _action_command(verb: str, action: str, purpose: str) -> click.Command:
    @click.command(verb, help=f"{purpose}\n\n\b\nExample:  hallmark keys {verb} manifest/versions/1")
    @click.argument("version")
    @click.option("--proposal", help="Approved proposal, where the server asks for approvals.")
    @click.option("--etag", help="Refuse when the key changed since it had this etag.")
    @server_options("admin")
    @json_option
    def command(version: str, proposal: str | None, etag: str | None, server: Server, as_json: bool) -> None:
        with server.connect() as client:
            key = client.keys.change_state(version, action, proposal=proposal, etag=etag)
        if as_json:
            print_json(key.to_dict())
            return
        (changed,) = (each for each in key.versions if short(each.name) == short(version))
        click.echo(f"{short(changed.name)} is {changed.state}.")
        if changed.state == "DESTROY_SCHEDULED":
            click.echo(f"It will be destroyed at {moment(changed.destroy_time)}; until then it can be called off:")
            click.echo(f"hallmark keys restore {short(changed.name)}")
        if not key.primary_version:
            click.echo(f"No version of {short(key.name)} signs now.")

    return command


@click.command()
@click.argument("name")
@click.option("--since", type=MOMENT, help="Since when the secret may be known; default now.")
@server_options("admin")
@json_option
def compromise(name: str, since: datetime | None, server: Server, as_json: bool) -> None:
    """Report that a secret may be known: stop, revoke, tell everybody, go on with a fresh version.

    NAME is a version, or a key: then all its versions. It can not be undone.

    \b
    Example:  hallmark keys compromise manifest/versions/1 --since 2026-11-20T08:00:00Z
    Then:     hallmark watch
    """
    with server.connect() as client:
        outcome = client.keys.report_compromise(name, compromise_time=since)
    if as_json:
        print_json(outcome.to_dict())
        return
    click.echo(
        f"Stopped and revoked {len(outcome.revocations)} of {short(outcome.key.name)}; everyone who watches knows."
    )
    signs = outcome.key.primary_version
    click.echo(f"{short(signs)} signs now." if signs else "No version signs now.")


@click.group()
def alias() -> None:
    """Other names for keys, which can be pointed elsewhere without telling those who use them.

    \b
    Example:  hallmark keys alias set current manifest
    Then:     hallmark sign FILE --key aliases/current
    """


@alias.command("set")
@click.argument("name")
@click.argument("key")
@click.option("--etag", help="Refuse when the alias changed since it had this etag.")
@server_options("admin")
@json_option
def set_alias(name: str, key: str, etag: str | None, server: Server, as_json: bool) -> None:
    """Create an alias of KEY, or point it there.

    \b
    Example:  hallmark keys alias set current manifest
    """
    with server.connect() as client:
        made = client.aliases.set(name, key, etag=etag)
    if as_json:
        print_json(made.to_dict())
    else:
        click.echo(f"{short(made.name)} is {short(made.key)} now. Use it: hallmark sign FILE --key {short(made.name)}")


@alias.command("delete")
@click.argument("name")
@server_options("admin")
@json_option
def delete_alias(name: str, server: Server, as_json: bool) -> None:
    """Delete an alias; the key stays.

    \b
    Example:  hallmark keys alias delete current
    """
    with server.connect() as client:
        promise = client.aliases.delete(name)
    if as_json:
        print_json({"log": promise.to_dict()})
    else:
        click.echo("Deleted.")


@alias.command("list")
@server_options("backend")
@json_option
def list_aliases(server: Server, as_json: bool) -> None:
    """List the aliases of the tenant.

    \b
    Example:  hallmark keys alias list
    """
    with server.connect() as client:
        found = list(client.aliases.list())
    if as_json:
        print_json({"aliases": [each.to_dict() for each in found]})
    elif found:
        rows = [(short(each.name), short(each.key), moment(each.update_time)) for each in found]
        print_table(("ALIAS", "KEY", "SINCE"), rows)
    else:
        click.echo("There is no alias yet. Next: hallmark keys alias set NAME KEY")


COMMANDS: Final = (
    rotate,
    update,
    *(_action_command(verb, action, purpose) for verb, (action, purpose) in _ACTIONS.items()),
    compromise,
    alias,
)
