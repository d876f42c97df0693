"""`hallmark tenants`: who shares a server, and what each may use of it."""

from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.connection import ROLES, Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table
from kms.cli.tenant_identity import check_authority, make_identity
from kms.cli.tenant_settings import TermsGiven, terms_options

if TYPE_CHECKING:
    from hallmark_client.model.tenants import Tenant, TenantChange

_ETAG: Final = click.option("--etag", help="Refuse when the tenant changed since it had this etag.")
_DEFAULTS: Final = "the server's defaults"
_NO_QUOTA: Final = "the server's limits only"


@click.group()
def tenants() -> None:
    """Tenants share a server and nothing else: each has keys, devices, policies, quotas and channel rules of its own.

    Operators (admins of the tenant `default`) make, change and suspend them. Others see their own.

    \b
    Example:  hallmark tenants create acme --name "Acme Ltd" --keys 100 --identity
              hallmark keys create manifest --profile hallmark-data/clients/acme.admin
    """


@tenants.command()
@click.argument("tenant", metavar="ID")
@click.option("--name", "display_name", default="", help="For people; at most 100 characters.")
@terms_options
@click.option(
    "--identity",
    is_flag=True,
    help="Make an admin's profile for it, HOME/clients/ID.admin. Works beside the server's home folder only.",
)
@server_options("admin")
@json_option
def create(tenant: str, display_name: str, given: TermsGiven, identity: bool, server: Server, as_json: bool) -> None:
    """Make the tenant ID: 1 to 63 lower-case letters, digits or hyphens.

    Without quotas it has the server's default ones (tenants.quotas); with one of them, it has only those that are said.
    So with channel rules (tenants.channels).

    \b
    Example:  hallmark tenants create acme --name "Acme Ltd" --rate 500 --keys 100 --identity
    Then:     hallmark keys create manifest --profile hallmark-data/clients/acme.admin
    """
    quotas, rules = given.quotas_over(None), given.rules_over(None)
    if identity:
        check_authority(server.home)
    with server.connect() as client:
        change = client.tenants.create(tenant, display_name=display_name, quotas=quotas, channel_rules=rules)
    folder = _identity(server, tenant, "admin", "admin") if identity else None
    if as_json:
        print_json({**change.to_dict(), "profile": folder})
        return
    click.echo(f"{change.tenant.name} is made.")
    _print(change.tenant)
    if folder is not None:
        click.echo(f"Its admin's profile: {folder}. Next: hallmark keys list --profile {folder}")
    else:
        click.echo(f"Next: hallmark tenants identity {tenant}, or a certificate from your own authority")


@tenants.command()
@click.argument("tenant", metavar="ID")
@click.option(
    "--role", "its_role", type=click.Choice(ROLES), default="admin", show_default=True, help="What it may do."
)
@click.option("--name", default=None, help="Name of the identity; default: that of its role.")
@server_options("admin")
@json_option
def identity(tenant: str, its_role: str, name: str | None, server: Server, as_json: bool) -> None:
    """Make a profile folder for an identity of tenant ID, HOME/clients/ID.NAME. Made again it is kept.

    It is signed by the local authority in the server's home folder, so this works beside that folder only.

    \b
    Example:  hallmark tenants identity acme --role backend
    Then:     hallmark sign FILE --key manifest --profile hallmark-data/clients/acme.backend
    """
    folder = _identity(server, tenant, its_role, name or its_role)
    if as_json:
        print_json({"profile": folder})
    else:
        click.echo(f"{folder}. Next: hallmark keys list --profile {folder}")


@tenants.command()
@click.argument("tenant", metavar="[ID]", required=False)
@server_options("admin")
@json_option
def get(tenant: str | None, server: Server, as_json: bool) -> None:
    """Show a tenant; without ID, one's own.

    \b
    Example:  hallmark tenants get acme
    """
    with server.connect() as client:
        found = client.tenants.get(tenant)
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(found.name)
        _print(found)


@tenants.command("list")
@server_options("admin")
@json_option
def list_tenants(server: Server, as_json: bool) -> None:
    """List the tenants, oldest first; who is no operator sees their own.

    \b
    Example:  hallmark tenants list
    """
    with server.connect() as client:
        found = list(client.tenants.list())
    if as_json:
        print_json({"tenants": [each.to_dict() for each in found]})
    else:
        header = ("TENANT", "STATE", "NAME", "SINCE")
        rows = [(_id(each), each.state.value, each.display_name, moment(each.create_time)) for each in found]
        print_table(header, rows)


@tenants.command()
@click.argument("tenant", metavar="ID")
@click.option("--name", "display_name", help="For people; at most 100 characters.")
@terms_options
@click.option("--default-quotas", is_flag=True, help="Back to the server's default quotas.")
@click.option("--default-channels", is_flag=True, help="Back to the server's default channel rules.")
@_ETAG
@server_options("admin")
@json_option
def update(
    tenant: str,
    display_name: str | None,
    given: TermsGiven,
    default_quotas: bool,
    default_channels: bool,
    etag: str | None,
    server: Server,
    as_json: bool,
) -> None:
    """Change a tenant; what is not said stays. A tenant's own admins may make its channel rules stricter.

    The first quota that it gets replaces all default ones (tenants.quotas): say every one that it is to have.

    \b
    Example:  hallmark tenants update acme --keys 500
              hallmark tenants update acme --channels require
    """
    with server.connect() as client:
        before = client.tenants.get(tenant)
        changes: dict[str, Any] = {}
        if display_name is not None:
            changes["display_name"] = display_name
        if default_quotas or (quotas := given.quotas_over(before.quotas)) is not None:
            changes["quotas"] = None if default_quotas else quotas
        if default_channels or (rules := given.rules_over(before.channel_rules)) is not None:
            changes["channel_rules"] = None if default_channels else rules
        if not changes:
            raise not_usable("NOTHING_TO_CHANGE", "say what is to change", "`hallmark tenants update --help` lists it")
        change = client.tenants.update(tenant, **changes, etag=etag or before.etag)
    _tell(change, "is changed. It holds everywhere within a second.", as_json=as_json)


@tenants.command()
@click.argument("tenant", metavar="ID")
@click.option("--reason", default="", help="For people; at most 512 characters.")
@_ETAG
@server_options("admin")
@json_option
def suspend(tenant: str, reason: str, etag: str | None, server: Server, as_json: bool) -> None:
    """Refuse everything to a tenant, and end its streams, until it is resumed. Nothing of it is lost.

    \b
    Example:  hallmark tenants suspend acme --reason "contract ended"
    Then:     hallmark tenants resume acme
    """
    with server.connect() as client:
        change = client.tenants.suspend(tenant, reason=reason, etag=etag)
    _tell(change, "is suspended: within a second no replica lets it in.", as_json=as_json)


@tenants.command()
@click.argument("tenant", metavar="ID")
@_ETAG
@server_options("admin")
@json_option
def resume(tenant: str, etag: str | None, server: Server, as_json: bool) -> None:
    """End a suspension.

    \b
    Example:  hallmark tenants resume acme
    """
    with server.connect() as client:
        change = client.tenants.resume(tenant, etag=etag)
    _tell(change, "is let in again, within a second everywhere.", as_json=as_json)


def _identity(server: Server, tenant: str, role: str, name: str) -> str:
    check_authority(server.home)
    return str(make_identity(server.home, tenant.removeprefix("tenants/"), role, name, server.profile()))


def _tell(change: "TenantChange", sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(change.to_dict())
    else:
        click.echo(f"{change.tenant.name} {sentence}")


def _print(tenant: "Tenant") -> None:
    quotas, rules = tenant.quotas, tenant.channel_rules
    limits: dict[str, object] = {"quotas": _DEFAULTS}
    if quotas is not None:
        limits = {name: value or _NO_QUOTA for name, value in quotas.to_dict().items()}
    channels: dict[str, object] = {"channels": _DEFAULTS}
    if rules is not None:
        channels = {"channels": rules.mode.value, "triggers": len(rules.triggers) or None}
    print_facts(
        {
            "name": tenant.display_name,
            "state": tenant.state.value,
            "reason": tenant.reason,
            **limits,
            **channels,
            "since": tenant.create_time,
            "etag": tenant.etag,
        }
    )


def _id(tenant: "Tenant") -> str:
    return tenant.name.removeprefix("tenants/")
