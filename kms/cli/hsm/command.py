"""`hallmark hsm`: the operator's side of the token."""

import click

from kms.cli.hsm.backup import backup, recovery_key, restore
from kms.cli.hsm.doctor import doctor
from kms.cli.hsm.rewrap import rewrap


@click.group()
def hsm() -> None:
    """Look after the token: examine it, renew its sealing key, back it up.

    These commands work on a home folder on this machine, not through the server.

    \b
    Example:  hallmark hsm doctor
    Then:     hallmark hsm recovery-key recovery.json
              hallmark hsm backup token.backup --recipient recovery.json.pub
    """


for _command in (doctor, rewrap, recovery_key, backup, restore):
    hsm.add_command(_command)
