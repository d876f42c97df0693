"""`hallmark release publish`: from a folder, or a built release, to what devices find."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import KINDS
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json, write_file
from kms.cli.release.building import DEFAULT_KIND, Wanted, build_with, default_folder, wanted_release
from kms.cli.release.clock import system_now
from kms.cli.release.options import (
    epoch_option,
    ignore_option,
    keys_option,
    minimum_epoch_option,
    model_option,
    repository_option,
    trust_option,
    version_option,
)

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_release.build import BuiltRelease
    from hallmark_release.repository import Repository
    from hallmark_release.trust import ReleaseTrust
    from kms.cli.release.service_keys import KeyNames


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@model_option
@version_option
@epoch_option
@minimum_epoch_option
@click.option("--kind", type=click.Choice(KINDS), default=DEFAULT_KIND, show_default=True, help="What it is.")
@ignore_option
@click.option("--requires-consent", is_flag=True, help="Devices get its key only with a live lease of a consent.")
@repository_option
@trust_option
@keys_option
@server_options("backend")
@json_option
def publish(
    folder: Path,
    repository: Path,
    trust: Path,
    prefix: str,
    requires_consent: bool,
    server: Server,
    as_json: bool,
    **asked: Any,
) -> None:
    """Publish FOLDER as a release: build, sign, make it known at the service, list it in the repository.

    FOLDER is a model's folder (--model and --version are needed then), or what `hallmark release build` wrote. A step
    that was done is not done again: after a failure run the same command with the built folder.

    \b
    Example:  hallmark release publish ./example-7b --model example-7b --version 1.0.0
              hallmark release publish ./example-7b --model example-7b --version 1.0.1 --minimum-epoch 2 --as admin
              hallmark release publish built
    Then:     hallmark release verify example-7b
    """
    from hallmark_release.trust import ReleaseTrust
    from kms.cli.release.disk import writing
    from kms.cli.release.opened import open_repository
    from kms.cli.release.service_keys import KeyNames, ServiceSigner
    from kms.cli.release.workspace import check_signed, is_signed, sign_built

    names = KeyNames(prefix)
    with server.connect() as client:
        listed = open_repository(repository, trust, ServiceSigner(client))
        listed.root()  # a repository that is not there is said before an hour of work
        trusted = ReleaseTrust.load(trust)
        out, built = _built(client, names, folder, asked)
        if not is_signed(out):
            sign_built(client, names, out, built)
        check_signed(out, built, trusted)  # before older releases may be closed for this one
        name = _make_known(client, out, built, requires_consent=requires_consent)
        with writing(repository):
            _list(listed, out, built, trusted)
    _tell(built, name, out=out, repository=repository, as_json=as_json)


def _list(listed: "Repository", out: Path, built: "BuiltRelease", trusted: "ReleaseTrust") -> None:
    """What devices will find, once it is verified as they will verify it. Raises ReleaseError, OSError."""
    from kms.cli.release.workspace import verified_files

    listed.add_parts(out, built.index)
    listed.publish(verified_files(out, trusted), now=system_now())


def _tell(built: "BuiltRelease", name: str, *, out: Path, repository: Path, as_json: bool) -> None:
    from kms.cli.release.workspace import FILES_BUNDLE_NAME

    release = built.index.release
    if as_json:
        facts = {"name": name, "built": str(out), "repository": str(repository), **release.to_dict()}
        print_json({**facts, "files": len(built.index.parts), "bytes": built.index.size})
        return
    click.echo(f"Published {release.model} {release.version}, epoch {release.epoch}: {name}")
    click.echo(f"The repository {repository} has all that devices need. {out} may be removed;")
    click.echo(f"keep {FILES_BUNDLE_NAME} of it beside the plaintext, for `model_signing verify key`.")
    click.echo(f"Next: hallmark release verify {release.model} --parts")


def _built(client: "Client", names: "KeyNames", folder: Path, asked: dict[str, Any]) -> tuple[Path, "BuiltRelease"]:
    """What was built before, or is built now."""
    from hallmark_release.build import load_built
    from kms.cli.release.workspace import is_built

    if is_built(folder):
        given = [name for name in ("model", "version", "epoch", "minimum_epoch", "ignore") if asked[name]]
        given += ["kind"] if asked["kind"] != DEFAULT_KIND else []
        if given:
            told = ", ".join(given).replace("_", " ")
            raise click.UsageError(f"{folder} is built already: its {told} can not be changed any more")
        return folder, load_built(folder)
    model, version = wanted_release(asked.pop("model"), asked.pop("version"))
    out = default_folder(model, version)
    return out, build_with(client, names, Wanted(folder=folder, out=out, model=model, version=version, **asked))


def _make_known(client: "Client", out: Path, built: "BuiltRelease", *, requires_consent: bool) -> str:
    """CreateRelease; its proof in the log goes beside the release. The name at the service."""
    from hallmark_client.model.consents import ArtifactKind
    from hallmark_release.client import PROOF_NAME
    from hallmark_release.log_proof import release_name, write_log_proof
    from kms.cli.release.workspace import SealedContentKey

    release = built.index.release
    name = release_name(release.tenant, built.statement.sha256)
    if (out / PROOF_NAME).is_file():
        if requires_consent and not client.releases.get(name).requires_consent:
            raise not_usable("MADE_KNOWN", f"{name} is known already, and requires no consent", _BUILD_ANOTHER)
        return name
    sealed = SealedContentKey.read(out)
    created = client.releases.create(
        release.model,
        version=release.version,
        epoch=release.epoch,
        minimum_epoch=release.minimum_epoch,
        kind=ArtifactKind[built.index.kind.upper().replace("-", "_")],
        statement_sha256=built.statement.sha256,
        index_sha256=built.index.sha256,
        key_version=sealed.key_version,
        content_key_envelope=sealed.envelope,
        content_key_info=sealed.info,
        requires_consent=requires_consent,
        request_id=str(UUID(built.index.release_id)),
        wait="published",
    )
    write_file(out / PROOF_NAME, write_log_proof(created.log.tlog_proof, created.log.entry))
    return name


_BUILD_ANOTHER: Final = "Build it again with another version and publish that with --requires-consent; revoke this one"
