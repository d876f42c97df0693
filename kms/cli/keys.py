"""`hallmark keys`: create, list, show; export public keys. The rest of a key's life: key_life.py."""

from pathlib import Path

import click

from kms.cli import key_life, key_transfer
from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.key_choices import ALGORITHMS, PURPOSES
from kms.cli.key_output import key_row, print_key
from kms.cli.key_settings import SettingsGiven, read_labels, settings_options
from kms.cli.output import print_json, print_table, short, write_file


@click.group()
def keys() -> None:
    """Create, list, show and rotate keys; change them and move their versions along; hand out public keys.

    A key is hybrid: one ML-DSA and one ECDSA key that sign together, so that a signature holds as long as either of
    the two holds. Private keys never leave the HSM boundary, but for those created with `--export wrapped`: sealed,
    and when others have approved it.

    \b
    Example:  hallmark keys create manifest
    Then:     hallmark sign FILE --key manifest
    """


@keys.command()
@click.argument("key_id")
@click.option(
    "--algorithm",
    type=click.Choice(list(ALGORITHMS)),
    help="Default: the server's, mldsa65-p256 (id-MLDSA65-ECDSA-P256-SHA512), or the HPKE suite of envelope keys.",
)
@click.option("--purpose", type=click.Choice(PURPOSES), help="Default: sign, or envelope for an HPKE algorithm.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="May be given several times.")
@settings_options
@server_options("admin")
@json_option
def create(
    key_id: str,
    algorithm: str | None,
    purpose: str | None,
    labels: tuple[str, ...],
    settings: SettingsGiven,
    server: Server,
    as_json: bool,
) -> None:
    """Create a key with its first version.

    KEY_ID is 1 to 63 lower-case letters, digits or hyphens and begins with a letter.

    \b
    Example:  hallmark keys create manifest --label team=models
              hallmark keys create manifest --purpose manifest --rotate-every 90d --lead 7d
    For attested devices only (each use then names one with --device):
              hallmark keys create fleet --gate-level tee --gate-max-age 12h
    Not over classical TLS, as the tenant's channel rules are at first (docs/channels.md):
              hallmark keys create firmware --sensitivity high
    Then:     hallmark sign FILE --key manifest
    """
    with server.connect() as client:
        key = client.keys.create(
            key_id,
            algorithm=None if algorithm is None else ALGORITHMS[algorithm],
            purpose=purpose,
            labels=read_labels(labels),
            **settings.arguments(),
        )
    if as_json:
        print_json(key.to_dict())
        return
    click.echo(f"Created {short(key.name)}, {key.algorithm}, protected by {key.versions[0].protection_level}.")
    use = "envelope seal" if key.purpose == "ENVELOPE" else "sign"
    # Sealing asks nobody; opening does.
    gated = " --device ID" if use == "sign" and key.attestation_gate is not None else ""
    click.echo(f"Next: hallmark {use} FILE --key {short(key.name)}{gated}")


@keys.command("list")
@click.option("--system", is_flag=True, help="The service's own keys; operators rotate them like any other.")
@server_options("backend")
@json_option
def list_keys(system: bool, server: Server, as_json: bool) -> None:
    """List the keys of the tenant.

    \b
    Example:  hallmark keys list
    Then:     hallmark keys show NAME
    """
    with server.connect() as client:
        found = list(client.keys.list(own=system))
    if as_json:
        print_json({"keys": [key.to_dict() for key in found]})
    elif found:
        rows = [key_row(key) for key in found]
        print_table(("KEY", "ALGORITHM", "SIGNS NOW", "VERSIONS", "CREATED"), rows)
    else:
        click.echo("There is no key yet. Next: hallmark keys create manifest")


@keys.command()
@click.argument("name")
@server_options("backend")
@json_option
def show(name: str, server: Server, as_json: bool) -> None:
    """Show a key with all its versions.

    \b
    Example:  hallmark keys show manifest
    Then:     hallmark keys rotate manifest
    """
    with server.connect() as client:
        key = client.keys.get(name)
    if as_json:
        print_json(key.to_dict())
    else:
        print_key(key)


@keys.command()
@click.argument("name")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the PEM there.")
@server_options("backend")
@json_option
def public(name: str, output: Path | None, server: Server, as_json: bool) -> None:
    """Export a public key as PEM, for whoever is to verify.

    NAME is a key (its primary version is exported) or a version such as manifest/versions/1.

    \b
    Example:  hallmark keys public manifest --output manifest.pem
    Then:     hallmark verify FILE --key manifest.pem
    """
    with server.connect() as client:
        key = client.keys.public_key(name)
    if key.algorithm.startswith("id-"):
        key.composite()  # the bytes that are handed out do parse
    if not key.pem and not as_json:
        sentence = f"keys of {key.algorithm} have no settled PEM form"
        advice = f"`hallmark envelope key {name}` shows it with the service's signature; --json prints the raw key"
        raise not_usable("NO_PEM", sentence, advice)
    if output is not None:
        write_file(output, key.pem.encode())
    if as_json:
        print_json(key.to_dict())
    elif output is None:
        click.echo(key.pem, nl=not key.pem.endswith("\n"))
    else:
        click.echo(f"Wrote {short(key.name)} to {output}. Next: hallmark verify FILE --key {output}")


for _command in (*key_life.COMMANDS, *key_transfer.COMMANDS):
    keys.add_command(_command)
