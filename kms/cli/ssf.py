"""`hallmark ssf`: servers that hear of security events (OpenID Shared Signals Framework)."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import CommandError, ExitCode, not_usable
from kms.cli.identifiers import Identifier
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table

if TYPE_CHECKING:
    from hallmark_client.model.ssf import CreatedSsfReceiver, SsfReceiver

_ID: Final = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_RECEIVER: Final = Identifier(
    "receiver", "ssfReceivers", _ID, "1 to 63 lower-case letters, digits or hyphens, such as mdm"
)


@click.group()
def ssf() -> None:
    """Shared signals: servers, such as an MDM, hear of revocations and consent over plain HTTPS.

    The server serves them where its setting ssf.enabled says so.

    \b
    Example:  hallmark ssf receivers create mdm --audience https://mdm.example.com --token-file mdm.token
              curl https://SIGNALS/.well-known/ssf-configuration
    """


@ssf.group()
def receivers() -> None:
    """Let servers in, see how they do, send them away.

    \b
    Example:  hallmark ssf receivers create mdm --audience https://mdm.example.com --token-file mdm.token
              hallmark ssf receivers list
    """


@receivers.command()
@click.argument("receiver", metavar="ID", type=_RECEIVER)
@click.option("--audience", required=True, metavar="URI", help="The aud of what it is sent: who it is.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the token there, readable by you only; else it is printed, this once.",
)
@server_options("admin")
@json_option
def create(receiver: str, audience: str, token_file: Path | None, server: Server, as_json: bool) -> None:
    """Let a server in as ID. Its token is shown once: the service keeps a hash of it.

    \b
    Example:  hallmark ssf receivers create mdm --audience https://mdm.example.com --token-file mdm.token
    Then:     give the file to the receiver; it sends: Authorization: Bearer TOKEN
    """
    with _kept(token_file) as keep, server.connect() as client:
        made = client.ssf.create(receiver.rpartition("/")[2], audience)
        if made.replayed:
            raise CommandError(
                "TOKEN_LOST",
                f"{made.receiver.name} was created, but the answer with its token was lost",
                exit_code=ExitCode.SERVER_SAYS_NO,
                advice=f"Repeat it: `hallmark ssf receivers delete {receiver}`, then create it again",
            )
        keep(made.token)
    if as_json:
        print_json(_document(made, token_file))
    else:
        _print(made, token_file)


@receivers.command("list")
@server_options("auditor")
@json_option
def list_receivers(server: Server, as_json: bool) -> None:
    """List the servers that were let in, and what waits for them.

    \b
    Example:  hallmark ssf receivers list
    Then:     hallmark ssf receivers delete ID
    """
    with server.connect() as client:
        found = client.ssf.list()
    if as_json:
        print_json({"receivers": [each.to_dict() for each in found]})
    elif found:
        header = ("ID", "AUDIENCE", "STREAM", "DELIVERY", "PENDING", "LAST DELIVERY")
        print_table(header, [_row(each) for each in found])
    else:
        click.echo("There is none. Next: hallmark ssf receivers create --help")


@receivers.command()
@click.argument("receiver", metavar="ID", type=_RECEIVER)
@server_options("admin")
@json_option
def delete(receiver: str, server: Server, as_json: bool) -> None:
    """Send a server away: its token ends, and what waits for it goes.

    \b
    Example:  hallmark ssf receivers delete mdm
    Then:     hallmark ssf receivers list
    """
    with server.connect() as client:
        gone = client.ssf.delete(receiver)
    if as_json:
        print_json(gone.to_dict())
    else:
        click.echo(f"Deleted {_id(gone)}; {gone.pending} events that waited for it went too.")


@contextlib.contextmanager
def _kept(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Takes the token to its file, which is its owner's only and never another one's. The file is made before there is
    a token, so that none is lost for want of a place. Raises OSError, CommandError.
    """
    if path is None:
        yield lambda _token: None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        advice = "Give another --token-file, or remove it first"
        raise not_usable("FILE_EXISTS", f"{path} exists", advice) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            yield lambda token: print(token, file=file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _document(made: "CreatedSsfReceiver", token_file: Path | None) -> dict[str, Any]:
    document: dict[str, Any] = made.receiver.to_dict()
    return {**document, **({"token": made.token} if token_file is None else {"token_file": str(token_file)})}


def _print(made: "CreatedSsfReceiver", token_file: Path | None) -> None:
    click.echo(f"Let in: {_id(made.receiver)}.")
    if token_file is None:
        print_facts({"audience": made.receiver.audience, "token": made.token})
        click.echo("Keep the token: it is not shown again. The receiver sends: Authorization: Bearer TOKEN")
    else:
        print_facts({"audience": made.receiver.audience, "token in": token_file})
        click.echo("The receiver sends: Authorization: Bearer TOKEN. Next: hallmark ssf receivers list")


def _row(receiver: "SsfReceiver") -> tuple[str, ...]:
    return (
        _id(receiver),
        receiver.audience,
        receiver.stream_status or "none",
        receiver.delivery,
        str(receiver.pending),
        moment(receiver.last_delivery_time),
    )


def _id(receiver: "SsfReceiver") -> str:
    return receiver.name.rpartition("/")[2]
