"""`hallmark consent demo`: permission given, taken back, and gone by the promised time, against a real service."""

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_json


@click.command()
@click.option("--keep", is_flag=True, help="Keep the server's data, the person's receipt and the auditor's report.")
@json_option
def demo(*, keep: bool, as_json: bool) -> None:
    """Show how a permission is taken back, and what proves that it is gone, with nothing to configure.

    A bank trains models of fraud on what card holders do. Four phones attest and get leases for a person's adapter and
    template. The person withdraws: one phone hears it at once and gives a receipt, one reads it from public files, one
    is offline and its leases end by themselves, and one keeps silent and is shut out. An auditor then checks all of it.
    Nothing is sped up: the promise is one minute, the shortest there is, and the demonstration takes a little longer.

    \b
    Example:  hallmark consent demo
              hallmark consent demo --keep
    Then:     hallmark consent grant --help
    """
    from kms.cli.consent.demo_runner import run_demo

    findings = run_demo(keep=keep, as_json=as_json)
    if as_json:
        print_json(findings.to_dict())
