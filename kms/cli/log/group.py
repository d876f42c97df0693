"""The group. A new command is a module of this folder and a name in the list below."""

import click

from kms.cli.log.append import append
from kms.cli.log.append_many import append_many
from kms.cli.log.entries import entries
from kms.cli.log.erase import erase
from kms.cli.log.export import check_pack, export
from kms.cli.log.find import find
from kms.cli.log.fsck import fsck
from kms.cli.log.keys import keys
from kms.cli.log.mirror import mirror
from kms.cli.log.monitor import check_fork, monitor
from kms.cli.log.opening import open_entry
from kms.cli.log.prove import check_proof, prove
from kms.cli.log.receipt import receipt
from kms.cli.log.rotate_key import rotate_key
from kms.cli.log.succeed import succeed
from kms.cli.log.verify import verify
from kms.cli.log.witnesses import witnesses


@click.group()
def log() -> None:
    """Verify the transparency log like an auditor: public files and verifier keys, no account.

    \b
    Example:  hallmark log keys --output log.vkey
              hallmark log verify --public http://127.0.0.1:7480 --vkey log.vkey --state audit.state
    Then:     hallmark log monitor --public http://127.0.0.1:7480 --vkey log.vkey --state monitor.state
    """


for _command in (
    keys,
    verify,
    monitor,
    check_fork,
    prove,
    check_proof,
    export,
    check_pack,
    fsck,
    mirror,
    rotate_key,
    succeed,
    append,
    append_many,
    find,
    entries,
    open_entry,
    erase,
    receipt,
    witnesses,
):
    log.add_command(_command)
