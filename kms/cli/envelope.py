"""`hallmark envelope`: seal here, open there; data keys; shredding."""

import base64
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.gate_settings import device_option
from kms.cli.invocation import Command, json_option
from kms.cli.output import moment, print_facts, print_json, read_file, short, write_file

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.envelopes import SealingKey

_PLAINTEXT_MAX: Final = 1024 * 1024
_FILE_MAX: Final = 2 * 1024 * 1024
STANDARD_STREAM: Final = "-"


@click.group()
def envelope() -> None:
    """Seal data to a published key; open it in the HSM boundary.

    Whoever has the key's name seals, here, without being able to open. Epochs are the versions of the key: rotate it
    to begin one, shred an old one to make all that was sealed to it unreadable.

    \b
    Example:  hallmark keys create telemetry --purpose envelope
              hallmark envelope seal events.json --key telemetry
    Then:     hallmark envelope open events.json.sealed
    """


def _pin_option(function: Command) -> Command:
    option = click.option(
        "--service-key",
        "pinned",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        multiple=True,
        help="Believe only this public key of the service (PEM). Default: ask the server for its keys.",
    )
    return option(function)


_info_option = click.option(
    "--info", default="", help="What it is for; binds the envelope to it. Whoever opens must give the same."
)


@envelope.command()
@click.argument("name")
@_pin_option
@server_options("device")
@json_option
def key(name: str, pinned: tuple[Path, ...], server: Server, as_json: bool) -> None:
    """Show which key to seal to now, once the service's signature on it is verified.

    \b
    Example:  hallmark envelope key telemetry
    Then:     hallmark envelope seal FILE --key telemetry
    """
    with server.connect() as client:
        stated = client.envelopes.key(name)
        verified = stated.verify(_trusted(client, pinned))
    if as_json:
        print_json(stated.to_dict())
        return
    click.echo(f"Seal to {short(verified.key_version)}; the service's signature on it holds.")
    print_facts(
        {
            "suite": f"HPKE {verified.kem.standard_name}, HKDF-SHA256, AES-256-GCM",
            "until": verified.not_after,
            "signed by": short(stated.signature.key_version),
        }
    )


@envelope.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_name", required=True, metavar="NAME", help="Envelope key, or an alias of it.")
@_info_option
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: FILE.sealed")
@_pin_option
@server_options("device")
@json_option
def seal(
    file: Path,
    key_name: str,
    info: str,
    output: Path | None,
    pinned: tuple[Path, ...],
    server: Server,
    as_json: bool,
) -> None:
    """Seal FILE (at most 1 MiB; "-" reads standard input). The plaintext does not leave this machine.

    \b
    Example:  hallmark envelope seal events.json --key telemetry --info events/v1
    Then:     hallmark envelope open events.json.sealed --info events/v1
    """
    plaintext = _read_plaintext(file)
    with server.connect() as client:
        sealing = _sealing_key(client, key_name, pinned)
    sealed = sealing.seal(plaintext, info=info.encode(), now=datetime.now(UTC))
    target = output or _sealed_name(file)
    write_file(target, sealed.to_bytes())
    if as_json:
        print_json({"file": str(file), "sealed_file": str(target), "key_version": sealed.key_version})
        return
    click.echo(f"Sealed {file} to {short(sealed.key_version)}: {target}")
    click.echo(f"Next: hallmark envelope open {target}{f' --info {info}' if info else ''}")
    click.echo("      with --device ID where the key asks for an attested device")


@envelope.command("open")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_info_option
@device_option
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard output")
@server_options("backend")
@json_option
def open_envelope(file: Path, info: str, device: str, output: Path | None, server: Server, as_json: bool) -> None:
    """Open FILE, which `hallmark envelope seal` wrote. Every opening is logged.

    \b
    Example:  hallmark envelope open events.json.sealed --info events/v1 --output events.json
    Then:     hallmark log verify
    """
    from hallmark_client.model.envelopes import SealedEnvelope

    sealed = SealedEnvelope.from_bytes(read_file(file, _FILE_MAX))
    with server.connect() as client:
        opened = client.envelopes.open(sealed, info=info.encode(), device=device)
    if output is not None:
        write_file(output, opened.plaintext)
    if as_json:
        shown = {} if output is not None else {"plaintext": base64.b64encode(opened.plaintext).decode()}
        print_json({"file": str(file), "output": output and str(output), **shown, "log": opened.log.to_dict()})
    elif output is None:
        sys.stdout.buffer.write(opened.plaintext)
        sys.stdout.flush()
    else:
        click.echo(f"Opened {file}: {output}. The log has it as {opened.log.event_key}.")


@envelope.command("data-key")
@click.argument("name")
@_info_option
@device_option
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The sealed key goes there."
)
@server_options("backend")
@json_option
def data_key(name: str, info: str, device: str, output: Path, server: Server, as_json: bool) -> None:
    """Make an AES-256 key: sealed into a file, and in clear (base64) on standard output, to be used and forgotten.

    \b
    Example:  hallmark envelope data-key telemetry --output disk.key.sealed
    Then, when it is needed again:  hallmark envelope open disk.key.sealed --output disk.key
    """
    from hallmark_client.model.envelopes import SealedEnvelope

    with server.connect() as client:
        suite = client.envelopes.key(name)
        made = client.envelopes.data_key(name, info=info.encode(), device=device)
    sealed = SealedEnvelope(
        key_version=made.key_version,
        kem_id=suite.kem_id,
        kdf_id=suite.kdf_id,
        aead_id=suite.aead_id,
        envelope=made.envelope,
    )
    write_file(output, sealed.to_bytes())
    if as_json:
        print_json({"sealed_file": str(output), **made.to_dict()})
        return
    click.echo(base64.b64encode(made.plaintext).decode())
    click.echo(f"The same key, sealed to {short(made.key_version)}: {output}", err=True)


@envelope.command()
@click.argument("version")
@click.option("--proposal", default="", metavar="ID", help="An approved proposal, where the server asks for approvals.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_options("admin")
@json_option
def shred(version: str, proposal: str, yes: bool, server: Server, as_json: bool) -> None:
    """Destroy the private key of an epoch, at once: what was sealed to it is gone for ever.

    VERSION is a version such as telemetry/versions/1 that is not sealed to any more: rotate the key first.

    \b
    Example:  hallmark keys rotate telemetry
              hallmark envelope shred telemetry/versions/1
    Then:     hallmark keys show telemetry
    """
    if not yes:
        _ask(f"Nobody will ever read again what was sealed to {version}. Shred it?")
    with server.connect() as client:
        shredding = client.envelopes.shred(version, proposal=proposal)
    if as_json:
        print_json(shredding.to_dict())
        return
    click.echo(f"Shredded {version} at {moment(shredding.shred_time)}. The log has it as {shredding.log.event_key}.")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise not_usable("NOT_CONFIRMED", "this can not be undone, and nobody is there to ask", "Give --yes")
    click.confirm(question, abort=True)


def _read_plaintext(file: Path) -> bytes:
    if str(file) != STANDARD_STREAM:
        return read_file(file, _PLAINTEXT_MAX)
    plaintext = sys.stdin.buffer.read(_PLAINTEXT_MAX + 1)
    if len(plaintext) > _PLAINTEXT_MAX:
        raise not_usable("FILE_TOO_LARGE", f"standard input is larger than the {_PLAINTEXT_MAX} bytes it can have")
    return plaintext


def _sealed_name(file: Path) -> Path:
    if str(file) == STANDARD_STREAM:
        raise not_usable("OUTPUT_MISSING", "there is no name to make one from", "Give --output FILE")
    return file.with_name(f"{file.name}.sealed")


def _sealing_key(client: "Client", name: str, pinned: tuple[Path, ...]) -> "SealingKey":
    return client.envelopes.key(name).verify(_trusted(client, pinned))


def _trusted(client: "Client", pinned: tuple[Path, ...]) -> Any:
    from kms.cli.watch import ServiceKeys, pins_of

    return ServiceKeys(client, pins_of(pinned))
