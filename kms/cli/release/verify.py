"""`hallmark release verify`: the current release of a model, without the service."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json
from kms.cli.release.clock import system_now
from kms.cli.release.options import REPOSITORY, TRUST, checked_model, checked_repository
from kms.cli.release.progress import byte_progress

if TYPE_CHECKING:
    from hallmark_release.verify import VerifiedRelease


@click.command()
@click.argument("model", callback=checked_model)
@click.option(
    "--repository",
    default=str(REPOSITORY),
    show_default=True,
    callback=checked_repository,
    help="A folder, or an http(s) URL.",
)
@click.option(
    "--trust",
    type=click.Path(path_type=Path, file_okay=False),
    default=TRUST,
    show_default=True,
    help="Folder with root.json, the two statement keys and log.policy.",
)
@click.option("--minimum-epoch", type=click.IntRange(min=0), default=0, help="The smallest that you still accept.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of what was seen. Without one, an older state of the repository is not noticed.",
)
@click.option("--parts", is_flag=True, help="Fetch every encrypted part too and compare each piece.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Compare this folder of plaintext files with the statement too.",
)
@json_option
def verify(
    model: str,
    repository: str,
    trust: Path,
    minimum_epoch: int,
    state: Path | None,
    parts: bool,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Verify the current release of MODEL: metadata, both signatures, index, log, freshness, epoch. Needs no service.

    Ends 0 when all of it holds. `python -m hallmark_release verify` does the same, with an exit code for each check.

    \b
    Example:  hallmark release verify example-7b --parts
              hallmark release verify example-7b --repository https://models.example --trust trust --state seen
    """
    from hallmark_release.folder import verify_folder
    from hallmark_release.source import open_source
    from hallmark_release.trust import ReleaseTrust
    from hallmark_release.verify import verify_parts, verify_release

    source = open_source(repository)
    release = verify_release(
        source, model, ReleaseTrust.load(trust), now=system_now(), minimum_epoch=minimum_epoch, state=state
    )
    facts = _facts(release)
    if parts:
        with byte_progress("Comparing", release.index.encrypted_size) as progress:
            facts["encrypted_bytes_compared"] = verify_parts(source, release, progress).size
    if folder is not None:
        with byte_progress("Hashing", release.index.size) as progress:
            facts["files_compared"] = verify_folder(folder, release.statement, progress).files
    if as_json:
        print_json(facts)
        return
    click.echo(f"{model} {release.index.release.version} holds:")
    print_facts({name.replace("_", " "): value for name, value in facts.items()})


def _facts(release: "VerifiedRelease") -> dict[str, Any]:
    index = release.index
    return {
        "release": release.name,
        "version": index.release.version,
        "epoch": index.release.epoch,
        "minimum_epoch": index.release.minimum_epoch,
        "files": len(index.parts),
        "bytes": index.size,
        "log_origin": release.log.origin,
        "log_index": release.log.leaf_index,
        "witnesses": list(release.log.cosigners),
        "fresh_until": release.freshness.expires.isoformat(),
    }
