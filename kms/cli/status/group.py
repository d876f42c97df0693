"""`hallmark status`: the public files that tell what is revoked."""

import click

from kms.cli.status.fetch import fetch
from kms.cli.status.show import show
from kms.cli.status.sizes import sizes
from kms.cli.status.verify import verify


@click.group()
def status() -> None:
    """What is revoked, as public files: read, verified and measured without the service.

    The files lie below status/TENANT/ of the public files: a signed and logged manifest, the state of the global feed,
    status lists (Token Status List), and what changed since earlier manifests.

    \b
    Example:  hallmark status show --public http://127.0.0.1:7480
              hallmark status verify --public http://127.0.0.1:7480 --vkey log.vkey
    """


for _command in (show, verify, fetch, sizes):
    status.add_command(_command)
