"""`hallmark release init`: the service's keys, an empty repository, and what verifiers have to trust."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json, write_file
from kms.cli.release.clock import system_now
from kms.cli.release.options import TRUST, keys_option, repository_option
from kms.cli.times import SPAN

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from kms.cli.release.service_keys import KeyNames


@click.command()
@repository_option
@click.option(
    "--trust",
    type=click.Path(path_type=Path, file_okay=False),
    default=TRUST,
    show_default=True,
    help="Folder for what verifiers and devices are given, over a safe way.",
)
@keys_option
@click.option("--timestamp-life", type=SPAN, help="How long devices believe that nothing is newer. Default: 7d.")
@server_options("backend")
@json_option
def init(
    repository: Path, trust: Path, prefix: str, timestamp_life: timedelta | None, server: Server, as_json: bool
) -> None:
    """Make the keys of releases at the service, and an empty repository.

    Eleven keys: two that sign statements (ECDSA P-256 and hybrid), one that content keys are sealed to, and for each of
    TUF's four roles an ECDSA P-256 and an ML-DSA-65 key, which must both sign. Keys that are there already stay: a
    second repository takes its own (--keys PREFIX). They are made as `admin` and used as `backend`; with --profile, one
    identity must be allowed both.

    The trust folder has root.json, the two statement keys and the log's policy. Give it to whoever verifies, but never
    from the place that serves the repository. For witnesses, add them to log.policy (C2SP tlog-policy).

    \b
    Example:  hallmark release init
              hallmark release init --repository staging --trust staging-trust --keys staging
    Then:     hallmark release publish ./example-7b --model example-7b --version 1.0.0
    """
    from kms.cli.release.service_keys import KeyNames, create_all

    _check_fresh(repository, trust)
    names = KeyNames(prefix)
    with (replace(server, role="admin") if server.profile_folder is None else server).connect() as admin:
        made = list(create_all(admin, names))
    with server.connect() as client:
        _create(client, names, repository, trust, timestamp_life)
    if as_json:
        print_json({"repository": str(repository), "trust": str(trust), "keys_made": made})
        return
    click.echo(f"Made {len(made)} keys ({prefix}-...), the repository {repository} and the trust folder {trust}.")
    if not made:
        click.echo(f"Note: the keys {prefix}-... were there. Do they sign another repository? Then one could", err=True)
        click.echo("be served in the place of the other: give each its own with --keys.", err=True)
    click.echo("Next: hallmark release publish FOLDER --model NAME --version VERSION")


def _create(
    client: "Client", names: "KeyNames", repository: Path, trust: Path, timestamp_life: timedelta | None
) -> None:
    from hallmark_release.repository import Repository
    from hallmark_release.roles import LIFETIMES, Role
    from hallmark_release.trust import ROOT_FILE
    from kms.cli.release.opened import SEEN_FILE
    from kms.cli.release.service_keys import ServiceSigner, all_role_keys

    lifetimes: Mapping[Role, timedelta] = LIFETIMES | ({Role.TIMESTAMP: timestamp_life} if timestamp_life else {})
    # Before the repository: a trust folder that can not be written must not leave one that nobody holds a root of.
    _write_keys(client, names, trust)
    keys, seen = all_role_keys(client, names), trust / SEEN_FILE
    created = Repository.create(
        repository, ServiceSigner(client), keys=keys, now=system_now(), lifetimes=lifetimes, seen=seen
    )
    write_file(trust / ROOT_FILE, created.root())


def _check_fresh(repository: Path, trust: Path) -> None:
    """Before any key is made. Raises CommandError: a root that devices were given is not written over."""
    from hallmark_release.metadata_files import METADATA, TIMESTAMP
    from hallmark_release.trust import ROOT_FILE

    listed, trusted = (repository / METADATA / TIMESTAMP).exists(), (trust / ROOT_FILE).exists()
    if trusted:
        advice = "Go on with `hallmark release publish`; for another one: --repository DIR --trust DIR --keys PREFIX"
        raise not_usable("TRUST_EXISTS", f"{trust} is the trust folder of a repository already", advice)
    if listed:
        advice = f"Give its trust folder with --trust DIR. Where none is left anywhere, remove {repository} first"
        raise not_usable("REPOSITORY_EXISTS", f"{repository} is a repository already, and {trust} has no root", advice)


def _write_keys(client: "Client", names: "KeyNames", trust: Path) -> None:
    from hallmark_release.trust import COMPOSITE_FILE, ECDSA_FILE, POLICY_FILE
    from kms.cli.release.service_keys import composite_key, ecdsa_key

    trust.mkdir(parents=True, exist_ok=True)
    policy = "".join(f"log {key}\n" for key in client.capabilities().log.verifier_keys) + "quorum none\n"
    pem = ecdsa_key(client, names).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(trust / ECDSA_FILE, pem)
    write_file(trust / COMPOSITE_FILE, composite_key(client, names).to_spki_pem().encode())
    write_file(trust / POLICY_FILE, policy.encode())
