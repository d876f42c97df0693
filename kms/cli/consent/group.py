"""The group. A new command is a module of this folder and a name in the list below."""

import click

from kms.cli.consent.acquire import acquire
from kms.cli.consent.demo import demo
from kms.cli.consent.grant import grant
from kms.cli.consent.leases import leases
from kms.cli.consent.look import get, list_consents
from kms.cli.consent.receipt import receipt
from kms.cli.consent.renew import renew
from kms.cli.consent.report import report
from kms.cli.consent.withdraw import withdraw
from kms.cli.removals import removals, request_deletion


@click.group()
def consent() -> None:
    """What people consented to, what devices may hold because of it, and taking it back.

    A device holds data on a lease that is never longer than the removal time you promise. A withdrawal ends the consent
    for ever, asks every device to delete, and needs no device to be online: leases end by themselves.

    \b
    Example:  hallmark consent grant --subject alice --controller https://bank.example \\
                --purpose dpv:FraudPreventionAndDetection --artifact model.safetensors --removal-time 24h
              hallmark consent receipt ID --output receipt.html
              hallmark consent withdraw ID
    """


for _command in (
    grant,
    renew,
    withdraw,
    get,
    list_consents,
    receipt,
    leases,
    acquire,
    removals,
    request_deletion,
    report,
    demo,
):
    consent.add_command(_command)
