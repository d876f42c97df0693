"""The group. A new command is a module of this folder and a name in the list below."""

import click

from kms.cli.vault.audit import audit
from kms.cli.vault.content import get, put
from kms.cli.vault.ending import check, delete, rotate
from kms.cli.vault.init import init
from kms.cli.vault.look import list_artifacts, show
from kms.cli.vault.policy import policy
from kms.cli.vault.serve import serve


@click.group()
def vault() -> None:
    """The vault of a device, on this machine: models and credentials encrypted at rest, deleted for good.

    \b
    Once:     hallmark vault init
    Then:     hallmark vault put model.gguf --name models/chat --kind model-weights
              hallmark vault list
              hallmark vault get models/chat -o model.gguf
              hallmark vault delete models/chat
    For apps: hallmark vault serve --socket ./run/agent.sock --app NAME=uid=$(id -u)

    HALLMARK_VAULT, HALLMARK_VAULT_ROOT and HALLMARK_VAULT_SECRET_FILE stand for --vault, --root and --secret-file.
    """


for _command in (init, put, get, list_artifacts, show, delete, rotate, check, policy, audit, serve):
    vault.add_command(_command)
