"""`hallmark keys`: create, list, show, rotate; export public keys."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, short, write_file

if TYPE_CHECKING:
    from hallmark_client.model.keys import Key

ALGORITHMS = {
    "mldsa65-p256": "id-MLDSA65-ECDSA-P256-SHA512",
    "mldsa44-p256": "id-MLDSA44-ECDSA-P256-SHA256",
    "mldsa87-p384": "id-MLDSA87-ECDSA-P384-SHA512",
}


@click.group()
def keys() -> None:
    """Create, list, show and rotate keys; export public keys.

    A key is hybrid: one ML-DSA and one ECDSA key that sign together, so that a signature holds as long as either of
    the two holds. Private keys never leave the HSM boundary.

    \b
    Example:  hallmark keys create manifest
    Then:     hallmark sign FILE --key manifest
    """


@keys.command()
@click.argument("key_id")
@click.option(
    "--algorithm",
    type=click.Choice(list(ALGORITHMS)),
    help="Default: the server's, mldsa65-p256 (id-MLDSA65-ECDSA-P256-SHA512).",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="May be given several times.")
@server_options("admin")
@json_option
def create(key_id: str, algorithm: str | None, labels: tuple[str, ...], server: Server, as_json: bool) -> None:
    """Create a key with its first version.

    KEY_ID is 1 to 63 lower-case letters, digits or hyphens and begins with a letter.

    \b
    Example:  hallmark keys create manifest --label team=models
    Then:     hallmark sign FILE --key manifest
    """
    with server.connect() as client:
        key = client.keys.create(
            key_id, algorithm=None if algorithm is None else ALGORITHMS[algorithm], labels=_labels(labels)
        )
    if as_json:
        print_json(key.to_dict())
        return
    click.echo(f"Created {short(key.name)}, {key.algorithm}, protected by {key.versions[0].protection_level}.")
    click.echo(f"Next: hallmark sign FILE --key {short(key.name)}")


@keys.command("list")
@server_options("backend")
@json_option
def list_keys(server: Server, as_json: bool) -> None:
    """List the keys of the tenant.

    \b
    Example:  hallmark keys list
    Then:     hallmark keys show NAME
    """
    with server.connect() as client:
        found = list(client.keys.list())
    if as_json:
        print_json({"keys": [key.to_dict() for key in found]})
    elif found:
        rows = [_row(key) for key in found]
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
        _print_key(key)


@keys.command()
@click.argument("name")
@click.option("--etag", help="Refuse when the key changed since it had this etag.")
@server_options("admin")
@json_option
def rotate(name: str, etag: str | None, server: Server, as_json: bool) -> None:
    """Make a new version that signs from now on. Older ones verify for ever and sign no more.

    \b
    Example:  hallmark keys rotate manifest
    Then:     hallmark keys public manifest --output manifest.pem
    """
    with server.connect() as client:
        key = client.keys.rotate(name, etag=etag)
    if as_json:
        print_json(key.to_dict())
        return
    click.echo(f"Rotated {short(key.name)}: {short(key.primary_version)} signs now; older signatures still verify.")
    click.echo(f"Next, give out its public key: hallmark keys public {short(key.name)} --output FILE.pem")


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
        key.composite()  # the bytes that are handed out do parse
    if output is not None:
        write_file(output, key.pem.encode())
    if as_json:
        print_json(key.to_dict())
    elif output is None:
        click.echo(key.pem, nl=not key.pem.endswith("\n"))
    else:
        click.echo(f"Wrote {short(key.name)} to {output}. Next: hallmark verify FILE --key {output}")


def _labels(pairs: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--label")
        labels[name] = value
    return labels


def _row(key: "Key") -> tuple[str, ...]:
    signs = "revoked" if key.revoke_time else key.primary_version.rpartition("/")[2] or "none"
    return (short(key.name), key.algorithm, signs, str(len(key.versions)), moment(key.create_time))


def _print_key(key: "Key") -> None:
    click.echo(short(key.name))
    print_facts(
        {
            "name": key.name,
            "algorithm": key.algorithm,
            "signs now": short(key.primary_version),
            "created": key.create_time,
            "revoked": key.revoke_time,
            "labels": [f"{name}={value}" for name, value in key.labels.items()],
            "etag": key.etag,
        }
    )
    rows = [
        (
            version.name.rpartition("/")[2],
            version.state,
            version.protection_level,
            moment(version.create_time),
            version.public_key_sha256,
        )
        for version in key.versions
    ]
    print_table(("VERSION", "STATE", "PROTECTION", "CREATED", "PUBLIC KEY SHA-256"), rows)
