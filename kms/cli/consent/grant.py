"""`hallmark consent grant`: record what somebody consented to."""

from typing import Any

import click

from kms.cli.artifact_digest import artifact_digest
from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import KINDS, show_consent
from kms.cli.consent.lease_options import lease_options
from kms.cli.identifiers import DEVICE
from kms.cli.invocation import json_option
from kms.cli.output import print_json, short
from kms.cli.times import SPAN


@click.command()
@click.option("--subject", required=True, help="Who consents, as you know the person. Made into a pseudonym, not kept.")
@click.option("--controller", required=True, help="Who decides about the processing, such as https://bank.example.")
@click.option("--purpose", "purposes", multiple=True, required=True, help="A DPV term or an IRI. May be repeated.")
@click.option(
    "--artifact", "artifacts", multiple=True, required=True, help="File, or SHA-256 of an artifact. May be repeated."
)
@click.option("--kind", type=click.Choice(KINDS), default="other", show_default=True, help="What the artifacts are.")
@click.option("--device", "devices", type=DEVICE, multiple=True, help="Whom it is given to. May be repeated.")
@click.option("--lawful-basis", default="", help="A DPV term, such as eu-gdpr:A6-1-a. Default: dpv:Consent.")
@click.option("--validity", type=SPAN, help="For how long it holds: default one year.")
@click.option("--removal-time", type=SPAN, help="So long after a withdrawal nothing is usable any more. Default: 24h.")
@lease_options()
@click.option("--how-to-withdraw", "withdrawal_method", default="", help="For the person, in words or as a URL.")
@click.option("--stored-in", "storage_locations", multiple=True, help="Where the data are, in words. May be repeated.")
@server_options("backend")
@json_option
def grant(*, server: Server, as_json: bool, **asked: Any) -> None:
    """Record a consent. Its devices that are attested get leases at once; others ask later.

    Lengths of time are such as 24h, 30m or 365d. A lease and its grace are never longer than the removal time, so that
    the promise holds for devices that are offline too.

    \b
    Example:  hallmark consent grant --subject alice --controller https://bank.example \\
                --purpose dpv:FraudPreventionAndDetection --artifact model.safetensors \\
                --kind model-weights --removal-time 24h
    Then:     hallmark consent receipt ID --output receipt.html
    """
    from hallmark_client.model.consents import ArtifactKind, ConsentArtifact

    kind = ArtifactKind[asked.pop("kind").upper().replace("-", "_")]
    asked["artifacts"] = [ConsentArtifact(artifact=artifact_digest(each), kind=kind) for each in asked["artifacts"]]
    with server.connect() as client:
        change = client.consents.grant(asked.pop("subject"), **asked)
    if as_json:
        print_json(change.to_dict())
        return
    click.echo("Recorded, signed and logged:")
    show_consent(change.consent)
    click.echo(f"For the person: hallmark consent receipt {short(change.consent.name)} --output receipt.html")
