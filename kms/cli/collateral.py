"""`hallmark collateral`: revocation lists, TCB levels, metadata and endorsed keys that devices are judged by."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table, read_file, short

if TYPE_CHECKING:
    from hallmark_client.model.collateral import Collateral, CollateralSource

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_KINDS: Final = click.Choice(
    (
        "android-status",
        "amd-crl",
        "intel-tcb",
        "tpm-crl",
        "nvidia-crl",
        "fido-metadata",
        "tpm-keys",
        "arm-devices",
    )
)
_BYTES_MAX: Final = 3 * 1024 * 1024


@click.group()
def collateral() -> None:
    """What vendors publish about their devices: revocation lists, TCB levels, metadata; and keys that are endorsed.

    The server keeps it up to date by itself: from the folder collateral/KIND in its home, and from the files and
    mirrors named in its settings (collateral.sources). What is new judges stored evidence again, and watchers hear of
    devices that lose their appraisal.

    \b
    Example:  hallmark collateral list
              hallmark collateral add amd-crl milan.crl
    """


@collateral.command("list")
@click.option("--kind", type=_KINDS, help="Only this kind.")
@server_options("auditor")
@json_option
def list_collateral(kind: str | None, server: Server, as_json: bool) -> None:
    """List what is in force, where it is from, how old it is, and sources that fail.

    \b
    Example:  hallmark collateral list --kind intel-tcb
    Then:     hallmark collateral add --help
    """
    with server.connect() as client:
        found = client.collateral.list(kind=kind)
    if as_json:
        print_json(found.to_dict())
        return
    if found.collateral:
        header = ("KIND", "ABOUT", "STATE", "ISSUED", "NEXT", "FETCHED", "SHA-256", "SOURCE", "NAME")
        print_table(header, [_row(piece) for piece in found.collateral])
    else:
        click.echo("Nothing is in force. Next: hallmark collateral add --help")
    for source in found.sources:
        if source.error:
            click.echo(_failed(source), err=True)


@collateral.command()
@click.argument("kind", type=_KINDS)
@click.argument("file", type=_EXISTING)
@click.option("--label", default="", help="For tpm-keys and arm-devices: whose list it is.")
@click.option("--proposal", default="", metavar="ID", help="For kinds that no vendor signs, where approvals are asked.")
@server_options("admin")
@json_option
def add(kind: str, file: Path, label: str, proposal: str, server: Server, as_json: bool) -> None:
    """Put a piece in force for this tenant, before what the operator provides. It is verified first.

    \b
    amd-crl         DER, from AMD's key distribution service
    intel-tcb       JSON with TCB info, enclave identity, CRLs and their chains
    tpm-crl         PEM: the CRL, then the certificates of its issuers
    nvidia-crl      as tpm-crl
    fido-metadata   the BLOB of the FIDO Metadata Service
    android-status  JSON, Google's status list
    tpm-keys        JSON: {"tpm_keys": [{"name": hex}, {"spki": base64}, {"certificate_sha256": hex}]}
    arm-devices     JSON: {"arm_devices": [{"instance_id": hex, "keys": [base64]}]}

    The last three are not signed by anybody: they ask for approvals of trust_root_change where the server wants them.

    \b
    Example:  hallmark collateral add amd-crl milan.crl
    Then:     hallmark collateral list
    """
    data = read_file(file, _BYTES_MAX)
    with server.connect() as client:
        change = client.collateral.put(kind, data, label=label, proposal=proposal)
    if as_json:
        print_json(change.to_dict())
        return
    piece = change.collateral
    about = f" of {piece.key}" if piece.key else ""
    click.echo(f"{'In force now' if change.changed else 'In force already'}: {kind}{about}, {piece.sha256[:16]}.")
    click.echo("Next: hallmark collateral list")


@collateral.command()
@click.argument("name")
@click.option("--proposal", default="", metavar="ID", help="Where approvals are asked for.")
@server_options("admin")
@json_option
def remove(name: str, proposal: str, server: Server, as_json: bool) -> None:
    """Take out a piece of this tenant's own; what the operator provides is in force again.

    \b
    Example:  hallmark collateral remove ID
    Then:     hallmark collateral list
    """
    with server.connect() as client:
        removal = client.collateral.remove(name, proposal=proposal)
    if as_json:
        print_json(removal.to_dict())
    else:
        click.echo(f"Removed {name}. Next: hallmark collateral list")


def _row(piece: "Collateral") -> tuple[str, ...]:
    return (
        piece.kind.value.lower().replace("_", "-"),
        piece.key or "-",
        piece.state.value.lower().replace("_", "-"),
        moment(piece.issue_time) if piece.issue_time else "-",
        moment(piece.next_update) if piece.next_update else "-",
        moment(piece.fetch_time),
        piece.sha256[:16],
        piece.source,
        short(piece.name),
    )


def _failed(source: "CollateralSource") -> str:
    kind = source.kind.value.lower().replace("_", "-")
    return f"The last attempt at {kind} from {source.source} failed at {moment(source.attempt_time)}: {source.error}"
