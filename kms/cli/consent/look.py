"""`hallmark consent get` and `hallmark consent list`."""

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT, STATES, show_consent
from kms.cli.failure import not_usable
from kms.cli.identifiers import DEVICE
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table, short


@click.command()
@click.argument("consent", type=CONSENT)
@server_options("auditor")
@json_option
def get(consent: str, server: Server, as_json: bool) -> None:
    """Show one consent.

    \b
    Example:  hallmark consent get 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e
    """
    with server.connect() as client:
        found = client.consents.get(consent)
    if as_json:
        print_json(found.to_dict())
    else:
        show_consent(found)


@click.command("list")
@click.option("--subject", default="", help="Only those of this person; with --controller.")
@click.option("--controller", default="", help="Only those with this controller; with --subject.")
@click.option("--state", type=STATES, help="Only those in this state.")
@click.option("--device", type=DEVICE, default=None, help="Only those given to this device.")
@server_options("auditor")
@json_option
def list_consents(
    *, subject: str, controller: str, state: str | None, device: str | None, server: Server, as_json: bool
) -> None:
    """List consents, oldest first.

    The server knows nobody's name: it finds the consents of a person by the pseudonym of that name with a controller.

    \b
    Example:  hallmark consent list --subject alice --controller https://bank.example
    """
    if bool(subject) != bool(controller):
        raise not_usable("OPTIONS", "--subject and --controller go together", "Give both, or none")
    with server.connect() as client:
        found = list(client.consents.list(subject=subject, controller=controller, state=state, device=device or ""))
    if as_json:
        print_json({"consents": [each.to_dict() for each in found]})
        return
    if not found:
        click.echo("There are no such consents.")
        return
    rows = [
        (short(each.name), each.state.lower(), each.controller, ", ".join(each.purposes), moment(each.expire_time))
        for each in found
    ]
    print_table(("CONSENT", "STATE", "CONTROLLER", "PURPOSES", "HOLDS UNTIL"), rows)
