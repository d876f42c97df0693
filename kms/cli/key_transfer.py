"""The part of `hallmark keys` that brings private keys in and lets them out, always sealed on the way."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.key_approval import tell_proposal
from kms.cli.key_choices import ALGORITHMS, PURPOSES
from kms.cli.key_files import read_private_key, read_public_key
from kms.cli.key_settings import SettingsGiven, read_labels, settings_options
from kms.cli.output import moment, print_facts, print_json, read_file, short, write_file

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.keys import Key
    from hallmark_client.model.transfer import ExportedKey, WrappingKey

_FILE_MAX: Final = 128 * 1024
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("wrapping-key")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, for those who export.")
@server_options("admin")
@json_option
def wrapping_key(output: Path | None, server: Server, as_json: bool) -> None:
    """Show the key that private keys are sealed to on their way into this service.

    Give the file to the operators of the service that a key comes from: they export to it, and nobody between the two
    can read the key.

    \b
    Example:  hallmark keys wrapping-key --output ours.wrapping
    Then, there:  hallmark keys export manifest/versions/1 --to ours.wrapping --propose
    """
    with server.connect() as client:
        stated = _wrapping_key(client)
    if output is not None:
        write_file(output, stated.to_bytes())
    if as_json:
        print_json({**stated.to_dict(), "recipient_sha256": stated.recipient.sha256.hex()})
        return
    print_facts(
        {
            "name": stated.name,
            "algorithm": stated.algorithm,
            "until": stated.not_after,
            "as a recipient": stated.recipient.sha256.hex(),
            "made (log event)": stated.creation_event_key,
            "signed by": stated.signature.key_version,
            "file": output,
        }
    )


@click.command()
@click.argument("file", type=_FILE)
@json_option
def recipient(file: Path, as_json: bool) -> None:
    """Say by what number a proposal names the wrapping key in FILE. Asks no server.

    Whoever approves an export compares it with the `parameters` of the proposal, from a FILE that they got themselves.

    \b
    Example:  hallmark keys recipient ours.wrapping
    Then:     hallmark approvals approve ID
    """
    from hallmark_client.model.transfer import read_recipient

    name, found = read_recipient(read_file(file, _FILE_MAX))
    if as_json:
        print_json({"name": name, "algorithm": found.algorithm.value, "recipient_sha256": found.sha256.hex()})
    else:
        print_facts({"name": name, "algorithm": found.algorithm, "as a recipient": found.sha256.hex()})


@click.command()
@click.argument("version")
@click.option("--to", "to_file", required=True, type=_FILE, help="What `hallmark keys wrapping-key` wrote there.")
@click.option("--propose", is_flag=True, help="Ask others first: an export always takes somebody else's approval.")
@click.option("--reason", default="", help="With --propose: why; whoever approves signs it too.")
@click.option("--proposal", help="The approved one.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: NAME-N.exported")
@server_options("admin")
@json_option
def export(
    version: str,
    to_file: Path,
    propose: bool,
    reason: str,
    proposal: str | None,
    output: Path | None,
    server: Server,
    as_json: bool,
) -> None:
    """Seal the private key of VERSION to another service. Only of keys created with `--export wrapped`.

    It takes two calls, and other people between them. The export is logged with its proposal and its recipient.

    \b
    Example:  hallmark keys export manifest/versions/1 --to theirs.wrapping --propose --reason "move to site B"
    Then, somebody else:  hallmark approvals approve ID --profile HOME/clients/bob
    Then:     hallmark keys export manifest/versions/1 --to theirs.wrapping --proposal ID
    Then, there:  hallmark keys import manifest --from manifest-1.exported
    """
    from hallmark_client.model.transfer import read_recipient

    sealed_to, recipient = read_recipient(read_file(to_file, _FILE_MAX))
    if propose == (proposal is not None):
        raise click.UsageError("give --propose to ask others, or --proposal ID once they agreed")
    with server.connect() as client:
        if proposal is None:
            made = client.approvals.propose("EXPORT", version, reason=reason, parameters_sha256=recipient.sha256)
            compare = f"what this says of their own copy: hallmark keys recipient {to_file}"
            tell_proposal(made, compare, f"hallmark keys export {version} --to {to_file}", as_json=as_json)
            return
        exported = replace(client.keys.export(version, recipient, proposal=proposal), sealed_to=sealed_to)
    _tell_export(exported, output, as_json=as_json)


def _tell_export(exported: "ExportedKey", output: Path | None, *, as_json: bool) -> None:
    target = output or Path(f"{short(exported.name).replace('/versions/', '-')}.exported")
    write_file(target, exported.to_bytes())
    if as_json:
        print_json({**exported.to_dict(), "file": str(target)})
        return
    click.echo(f"Exported {short(exported.name)} to {target}; only the recipient opens it.")
    click.echo(f"Next, there: hallmark keys import NAME --from {target}")


@click.command("import")
@click.argument("key_id")
@click.option("--from", "from_file", type=_FILE, help="What `hallmark keys export` wrote for this service.")
@click.option("--wrapping-key", "wrapping", help="Version it was sealed to; default: as the file says.")
@click.option("--private-key", type=_FILE, help="Instead: PKCS#8 (PEM or DER, with the seed); an HPKE key's seed.")
@click.option("--public-key", type=_FILE, help="PEM of its public key; an HPKE key's raw bytes.")
@click.option("--algorithm", type=click.Choice(list(ALGORITHMS)), help="With --private-key: what the key is for.")
@click.option("--purpose", type=click.Choice(PURPOSES), help="Default: sign, envelope for HPKE, or as exported.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="May be given several times.")
@settings_options
@server_options("admin")
@json_option
def import_key(
    key_id: str,
    from_file: Path | None,
    wrapping: str | None,
    private_key: Path | None,
    public_key: Path | None,
    algorithm: str | None,
    purpose: str | None,
    labels: tuple[str, ...],
    settings: SettingsGiven,
    server: Server,
    as_json: bool,
) -> None:
    """Create a key from a private key that was made elsewhere. It says IMPORTED for ever; its next version will not.

    A private key in a file is sealed here, on this machine; the service never sees it in the clear outside its signer
    processes. Before the key is there it has signed, and the signature verified with the given public key.

    \b
    Example:  hallmark keys import manifest --from manifest-1.exported
              hallmark keys import old --algorithm p256 --private-key old.key --public-key old.pem
    Then:     hallmark sign FILE --key manifest
    """
    with server.connect() as client:
        if from_file is not None and not (private_key or public_key or algorithm):
            brought = _from_export(from_file, wrapping, client)
        elif from_file is None and private_key and public_key and algorithm:
            brought = _from_files(key_id, private_key, public_key, ALGORITHMS[algorithm], client)
        else:
            raise click.UsageError("give --from FILE, or --algorithm with --private-key and --public-key")
        if purpose is not None:
            brought["purpose"] = purpose
        key = client.keys.import_key(key_id, labels=read_labels(labels), **brought, **settings.arguments())
    _tell_import(key, as_json=as_json)


def _tell_import(key: "Key", *, as_json: bool) -> None:
    if as_json:
        print_json(key.to_dict())
        return
    click.echo(f"Imported {short(key.name)}, {key.algorithm}; its first version says {key.versions[0].origin}.")
    use = "envelope seal" if key.purpose == "ENVELOPE" else "sign"
    click.echo(f"Next: hallmark {use} FILE --key {short(key.name)}")


def _from_export(file: Path, wrapping: str | None, client: "Client") -> dict[str, Any]:
    from hallmark_client.model.transfer import ExportedKey

    exported: ExportedKey = ExportedKey.from_bytes(read_file(file, _FILE_MAX))
    return {
        "algorithm": exported.algorithm,
        "purpose": exported.purpose,
        "envelope": exported.envelope,
        "wrapping_key": wrapping or exported.sealed_to or client.keys.wrapping_key().name,
        "public_key": exported.public_key,
        "exported_as": exported.name,
    }


def _from_files(key_id: str, private_key: Path, public_key: Path, title: str, client: "Client") -> dict[str, Any]:
    from hallmark_client.model.enums import Algorithm

    algorithm = Algorithm(title)
    stated = _wrapping_key(client)
    if datetime.now(UTC) > stated.not_after:
        raise not_usable("WRAPPING_KEY_EXPIRED", f"{stated.name} was good until {moment(stated.not_after)}")
    verified = stated.verify(_trusted(client))
    version = f"tenants/{client.tenant}/keys/{key_id}/versions/1"
    envelope = verified.seal(read_private_key(private_key), algorithm=algorithm, version=version, now=datetime.now(UTC))
    return {
        "algorithm": algorithm,
        "envelope": envelope,
        "wrapping_key": verified.name,
        "public_key": read_public_key(public_key, algorithm),
    }


def _wrapping_key(client: "Client") -> "WrappingKey":
    """Once the service's signature on it holds."""
    stated = client.keys.wrapping_key()
    stated.verify(_trusted(client))
    return stated


def _trusted(client: "Client") -> Any:
    from kms.cli.watch import ServiceKeys

    return ServiceKeys(client, frozenset())


COMMANDS: Final = (wrapping_key, recipient, export, import_key)
