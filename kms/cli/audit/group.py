"""The group. A new command is a module of this folder and a name in the list below."""

import click

from kms.cli.audit.cbom import cbom
from kms.cli.audit.coverage import report
from kms.cli.audit.licences import licences
from kms.cli.audit.sbom import sbom
from kms.cli.audit.sessions import sessions


@click.group()
def audit() -> None:
    """What auditors ask beside the log: coverage by post-quantum cryptography, sessions, bills of materials.

    \b
    Example:  hallmark audit report
              hallmark audit sessions --classical-only
              hallmark audit cbom --output cbom.json
              hallmark audit sbom --output sbom.json
              hallmark audit licences
    """


for _command in (report, sessions, cbom, sbom, licences):
    audit.add_command(_command)
