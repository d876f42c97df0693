"""The group. A new command is a module of this folder and a name in the list below."""

import click

from kms.cli.release.build import build
from kms.cli.release.init import init
from kms.cli.release.look import list_releases, show
from kms.cli.release.publish import publish
from kms.cli.release.refresh import refresh, rotate, status
from kms.cli.release.sign import sign
from kms.cli.release.verify import verify


@click.group()
def release() -> None:
    """Releases of models: encrypted, signed twice, logged, listed where devices find them, verified without a service.

    \b
    Once:     hallmark release init
    Then:     hallmark release publish ./example-7b --model example-7b --version 1.0.0
              hallmark release verify example-7b
    Every day, by a timer:  hallmark release refresh
    """


for _command in (init, build, sign, publish, verify, refresh, rotate, status, list_releases, show):
    release.add_command(_command)
