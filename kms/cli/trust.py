"""`hallmark trust`: trust bundles, offline and online."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.key_output import print_readiness
from kms.cli.output import moment, print_facts, print_json, print_table, read_file, short, write_file

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.trust import VerifiedBundle

_MAX_DOCUMENT_BYTES: Final = 32 * 1024 * 1024
_MAX_PEM_BYTES: Final = 64 * 1024


@click.group()
def trust() -> None:
    """Trust bundles: every public key with its validity, signed by the service and logged.

    \b
    Example:  hallmark trust show
    Then:     hallmark trust ack
    """


@trust.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the signed payload there.")
@server_options("backend")
@json_option
def show(output: Path | None, server: Server, as_json: bool) -> None:
    """Fetch the newest bundle, verify it with the service's key, and show it.

    \b
    Example:  hallmark trust show
    Then:     hallmark trust ack
    """
    with server.connect() as client:
        bundle, payload = _fetch(client)
    if output is not None:
        write_file(output, payload)
    if as_json:
        print_json(bundle.to_dict())
    else:
        _print(bundle)


@trust.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Public key of the service, PEM: hallmark keys public tenants/system/keys/trust-bundle",
)
@click.option("--tenant", default="default", show_default=True, help="Whose bundle it has to be.")
@click.option("--newest-seen", type=click.IntRange(0), default=0, help="Refuse a bundle older than this number.")
@json_option
def verify(file: Path, key_file: Path, tenant: str, newest_seen: int, as_json: bool) -> None:
    """Verify a bundle offline, from its public file trust/TENANT/latest.json. Ends 1 when it does not hold.

    \b
    Example:  curl -O http://localhost:7480/trust/default/latest.json
              hallmark keys public tenants/system/keys/trust-bundle --output service.pem
              hallmark trust verify latest.json --key service.pem
    """
    from hallmark_client.trust import read_public_bundle
    from hallmark_composite import CompositePublicKey

    bundle = read_public_bundle(read_file(file, _MAX_DOCUMENT_BYTES))
    key = CompositePublicKey.from_spki_pem(read_file(key_file, _MAX_PEM_BYTES))
    trusted = {bundle.signature.key_version: key}  # the PEM says which key counts, whatever its version is called
    verified = bundle.verify(trusted, tenant=tenant, now=datetime.now(UTC), newest_seen=newest_seen)
    if as_json:
        print_json(verified.to_dict())
    else:
        _print(verified)


@trust.command()
@server_options("backend")
@json_option
def ack(server: Server, as_json: bool) -> None:
    """Take up the newest bundle and say so; `hallmark trust readiness` counts who did.

    \b
    Example:  hallmark trust ack --as device
    Then:     hallmark trust readiness manifest
    """
    with server.connect() as client:
        bundle, _ = _fetch(client)
        latest = client.trust.acknowledge(bundle.sequence)
    if as_json:
        print_json({"sequence": bundle.sequence, "latest_sequence": latest})
    else:
        click.echo(
            f"Bundle {bundle.sequence} is verified and acknowledged; it is good until {moment(bundle.not_after)}."
        )


@trust.command()
@click.argument("key")
@server_options("auditor")
@json_option
def readiness(key: str, server: Server, as_json: bool) -> None:
    """Which clients have the bundle that holds the next version of KEY.

    \b
    Example:  hallmark trust readiness manifest
    """
    with server.connect() as client:
        found = client.trust.readiness(key)
    if as_json:
        print_json(found.to_dict())
    else:
        print_readiness(found)


def _fetch(client: "Client") -> "tuple[VerifiedBundle, bytes]":
    bundle = client.trust.fetch()
    verified = bundle.verify(client.trust.service_keys(), tenant=client.tenant, now=datetime.now(UTC))
    return verified, bundle.payload


def _print(bundle: "VerifiedBundle") -> None:
    click.echo(f"Trust bundle {bundle.sequence} of {bundle.tenant}: the signature holds.")
    print_facts({"issued": bundle.issued, "good until": bundle.not_after})
    rows = [
        (
            short(version.name),
            key.purpose.lower(),
            version.state,
            moment(version.activate_time),
            moment(version.deactivate_time),
            moment(version.revoke_time or version.compromise_time),
        )
        for key in bundle.keys
        for version in key.versions
    ]
    print_table(("VERSION", "PURPOSE", "STATE", "SIGNS FROM", "UNTIL", "REVOKED"), rows)
