"""`hallmark consent acquire`: a lease for a device."""

import click

from kms.cli.artifact_digest import artifact_digest
from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT, show_leases
from kms.cli.identifiers import DEVICE
from kms.cli.invocation import json_option
from kms.cli.output import print_json


@click.command()
@click.argument("consent", type=CONSENT)
@click.option("--artifact", required=True, help="File, or SHA-256 of an artifact that the consent names.")
@click.option("--device", type=DEVICE, default=None, help="Which device; one that asks for itself leaves it out.")
@server_options("backend")
@json_option
def acquire(consent: str, artifact: str, device: str | None, server: Server, as_json: bool) -> None:
    """Give a device its lease: what it may hold, and until when. It hears of it in its own feed.

    The device has to be attested, and its newest verdict positive. A lease that is not due yet stays as it is.

    \b
    Example:  hallmark consent acquire 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e \\
                --artifact model.safetensors --device 3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e
    """
    with server.connect() as client:
        lease = client.consents.acquire_lease(consent, artifact_digest(artifact), device=device or "")
    if as_json:
        print_json(lease.to_dict())
    else:
        show_leases([lease])
