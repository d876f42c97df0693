"""`hallmark anchors`: keys that evidence may end in, the vendors' and a tenant's own."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import CommandError, ExitCode
from kms.cli.gate_settings import FORMATS
from kms.cli.identifiers import ANCHOR
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, read_file
from kms.cli.times import Moment

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.collateral import Anchor

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_BYTES_MAX: Final = 16 * 1024
_DIGITS: Final = 64


@click.group()
def anchors() -> None:
    """Trust anchors: the keys of vendors that evidence ends in, and your own beside them.

    An anchor is a key, not a certificate: vendors re-issue certificates around the same key. The built-in table gives
    for each the vendor's page and the day it was read.

    \b
    Example:  hallmark anchors list
              hallmark anchors add root.pem --name "Our TPM maker" --format tpm
    """


@anchors.command("list")
@click.option("--own", is_flag=True, help="Only those that were added here.")
@server_options("auditor")
@json_option
def list_anchors(own: bool, server: Server, as_json: bool) -> None:
    """List the keys that evidence may end in.

    \b
    Example:  hallmark anchors list
    Then:     hallmark anchors show SHA256
    """
    with server.connect() as client:
        found = [anchor for anchor in client.anchors.list() if anchor.create_time is not None or not own]
    if as_json:
        print_json({"anchors": [anchor.to_dict() for anchor in found]})
    elif found:
        print_table(("KEY SHA-256", "NAME", "FORMATS", "USES", "FROM"), [_row(anchor) for anchor in found])
    else:
        click.echo("There is none. Next: hallmark anchors add --help")


@anchors.command()
@click.argument("name", metavar="SHA256", type=ANCHOR)
@server_options("auditor")
@json_option
def show(name: str, server: Server, as_json: bool) -> None:
    """Show an anchor: its key, what it may vouch for, where it is from.

    SHA256 is that of the key, or the beginning of it that `hallmark anchors list` prints.

    \b
    Example:  hallmark anchors show SHA256
    Then:     hallmark anchors list
    """
    with server.connect() as client:
        anchor = client.anchors.get(_whole(client, name))
    if as_json:
        print_json({**anchor.to_dict(), "spki_sha256": anchor.spki_sha256})
    else:
        _print(anchor)


@anchors.command()
@click.argument("file", type=_EXISTING)
@click.option("--name", "display_name", required=True, help="For people.")
@click.option(
    "--format", "formats", type=click.Choice(FORMATS), multiple=True, required=True, help="What it may vouch for."
)
@click.option("--use", "uses", multiple=True, help='Narrows it to some chains: "packed", "metadata"...')
@click.option("--common-name", default="", help="The name it issues under, for AMD SEV-SNP.")
@click.option("--root", "is_root", is_flag=True, help="Refuse a certificate of this key that another one issued.")
@click.option("--not-before", type=Moment(), help="It counts from then on.")
@click.option("--not-after", type=Moment(), help="It counts until then.")
@click.option("--proposal", default="", metavar="ID", help="Where approvals are asked for.")
@server_options("admin")
@json_option
def add(
    file: Path,
    display_name: str,
    formats: tuple[str, ...],
    uses: tuple[str, ...],
    common_name: str,
    is_root: bool,
    not_before: datetime | None,
    not_after: datetime | None,
    proposal: str,
    server: Server,
    as_json: bool,
) -> None:
    """Trust the key in FILE, a certificate or public key, PEM or DER; for this tenant only.

    Where the server asks for approvals of trust_root_change, the refusal says how to propose it.

    \b
    Example:  hallmark anchors add root.pem --name "Our TPM maker" --format tpm
    Then:     hallmark anchors list --own
    """
    anchor = _anchor(
        file,
        display_name=display_name,
        formats=formats,
        uses=uses,
        common_name=common_name,
        is_root=is_root,
        not_before=not_before,
        not_after=not_after,
    )
    with server.connect() as client:
        change = client.anchors.add(anchor, proposal=proposal)
    if as_json:
        print_json(change.to_dict())
        return
    click.echo(f"Trusted from now on: {display_name}, key {change.anchor.spki_sha256}.")
    click.echo("Stored evidence is judged again. Next: hallmark anchors list --own")


@anchors.command()
@click.argument("name", metavar="SHA256", type=ANCHOR)
@click.option("--proposal", default="", metavar="ID", help="Where approvals are asked for.")
@server_options("admin")
@json_option
def remove(name: str, proposal: str, server: Server, as_json: bool) -> None:
    """Distrust a key that was added here. Devices that rest on it lose their appraisal, and watchers hear of it.

    SHA256 is that of the key, or the beginning of it that `hallmark anchors list` prints.

    \b
    Example:  hallmark anchors remove SHA256
    Then:     hallmark watch
    """
    with server.connect() as client:
        name = _whole(client, name)
        removal = client.anchors.remove(name, proposal=proposal)
    if as_json:
        print_json(removal.to_dict())
    else:
        click.echo(f"Removed {name}. Next: hallmark anchors list --own")


def _whole(client: "Client", name: str) -> str:
    """The name that begins like this, when one alone does. Raises CommandError, BadParameter."""
    digits = name.rpartition("/")[2].lower()
    if len(digits) == _DIGITS:
        return name.removesuffix(name.rpartition("/")[2]) + digits
    begun = [each.spki_sha256 for each in client.anchors.list() if each.spki_sha256.startswith(digits)]
    if len(begun) > 1:
        raise click.BadParameter(f"{len(begun)} anchors begin with {digits}; give more of it", param_hint="SHA256")
    if not begun:
        raise CommandError(
            "RESOURCE_NOT_FOUND",
            f"no anchor begins with {digits}",
            exit_code=ExitCode.SERVER_SAYS_NO,
            advice="`hallmark anchors list` shows those that there are",
        )
    return begun[0]


def _anchor(file: Path, *, formats: tuple[str, ...], **fields: Any) -> "Anchor":
    from hallmark_client.anchors import key_of
    from hallmark_client.model.collateral import Anchor
    from hallmark_client.model.enums import EvidenceFormat
    from hallmark_client.wire.scalars import enum_argument

    known = tuple(enum_argument(EvidenceFormat, form.replace("-", "_"), "--format") for form in formats)
    return Anchor(spki=key_of(read_file(file, _BYTES_MAX)), formats=known, **fields)


def _row(anchor: "Anchor") -> tuple[str, ...]:
    origin = "built in" if anchor.create_time is None else f"added {moment(anchor.create_time)}"
    return (anchor.spki_sha256[:16], anchor.display_name, _words(anchor.formats), _words(anchor.uses) or "-", origin)


def _print(anchor: "Anchor") -> None:
    print_facts(
        {
            "name": anchor.display_name,
            "key SHA-256": anchor.spki_sha256,
            "formats": _words(anchor.formats),
            "uses": _words(anchor.uses),
            "issues as": anchor.common_name,
            "root": anchor.is_root,
            "not before": anchor.not_before,
            "not after": anchor.not_after,
            "source": anchor.source,
            "added": anchor.create_time,
        }
    )


def _words(values: tuple[str, ...]) -> str:
    return ", ".join(value.lower().replace("_", "-") for value in values)
