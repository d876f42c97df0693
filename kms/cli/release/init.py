"""`hallmark release init`: the service's keys, an empty repository, and what verifiers have to trust."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.cli.connection import Server, server_options
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
    TUF's four roles an ECDSA P-256 and an ML-DSA-65 key, which must both sign. Keys that are there already stay. They
    are made as `admin` and used as `backend`; with --profile, one identity must be allowed both.

    The trust folder has root.json, the two statement keys and the log's policy. Give it to whoever verifies, but never
    from the place that serves the repository. For witnesses, add them to log.policy (C2SP tlog-policy).

    \b
    Example:  hallmark release init
    Then:     hallmark release publish ./example-7b --model example-7b --version 1.0.0
    """
    from hallmark_release.repository import Repository
    from hallmark_release.roles import LIFETIMES, Role
    from kms.cli.release.opened import SEEN_FILE
    from kms.cli.release.service_keys import KeyNames, ServiceSigner, all_role_keys, create_all

    names = KeyNames(prefix)
    lifetimes: Mapping[Role, timedelta] = LIFETIMES | ({Role.TIMESTAMP: timestamp_life} if timestamp_life else {})
    with (replace(server, role="admin") if server.profile_folder is None else server).connect() as admin:
        made = list(create_all(admin, names))
    with server.connect() as client:
        keys, seen = all_role_keys(client, names), trust / SEEN_FILE
        created = Repository.create(
            repository, ServiceSigner(client), keys=keys, now=system_now(), lifetimes=lifetimes, seen=seen
        )
        _write_trust(client, names, trust, created.root())
    if as_json:
        print_json({"repository": str(repository), "trust": str(trust), "keys_made": made})
        return
    click.echo(f"Made {len(made)} keys ({prefix}-...), the repository {repository} and the trust folder {trust}.")
    click.echo("Next: hallmark release publish FOLDER --model NAME --version VERSION")


def _write_trust(client: "Client", names: "KeyNames", trust: Path, root: bytes) -> None:
    from hallmark_release.trust import COMPOSITE_FILE, ECDSA_FILE, POLICY_FILE, ROOT_FILE
    from kms.cli.release.service_keys import composite_key, ecdsa_key

    trust.mkdir(parents=True, exist_ok=True)
    policy = "".join(f"log {key}\n" for key in client.capabilities().log.verifier_keys) + "quorum none\n"
    pem = ecdsa_key(client, names).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(trust / ECDSA_FILE, pem)
    write_file(trust / COMPOSITE_FILE, composite_key(client, names).to_spki_pem().encode())
    write_file(trust / POLICY_FILE, policy.encode())
    write_file(trust / ROOT_FILE, root)
