"""Options that several of these commands share."""

from pathlib import Path
from typing import Final

import click

REPOSITORY: Final = Path("release-repository")
TRUST: Final = Path("release-trust")
_EPOCH_MAX: Final = 2**53

repository_option = click.option(
    "--repository",
    type=click.Path(path_type=Path, file_okay=False),
    default=REPOSITORY,
    show_default=True,
    help="Folder that a web server or a CDN serves.",
)
trust_option = click.option(
    "--trust",
    type=click.Path(path_type=Path, file_okay=False),
    default=TRUST,
    show_default=True,
    help="The folder that `init` wrote: nothing is signed that does not follow from its root.json.",
)
keys_option = click.option(
    "--keys", "prefix", default="release", show_default=True, metavar="PREFIX", help="How the service's keys begin."
)


def checked_version_text(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Raises BadParameter."""
    from hallmark_release.errors import FormatInvalid
    from hallmark_release.names import checked_version

    if value is not None:
        try:
            checked_version(value, "a version")
        except FormatInvalid as error:
            raise click.BadParameter(str(error)) from None
    return value


def checked_model(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Raises BadParameter."""
    from hallmark_release.errors import FormatInvalid
    from hallmark_release.names import checked_id

    if value is not None:
        try:
            checked_id(value, "the model")
        except FormatInvalid:
            sentence = "a model is named by 1 to 63 lower-case letters, digits and hyphens, a letter first"
            raise click.BadParameter(sentence) from None
    return value


def checked_repository(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Raises BadParameter for a URL that is none."""
    from hallmark_release.errors import SourceFailed
    from hallmark_release.source import checked_prefix

    if "://" in value:
        try:
            checked_prefix(value)
        except SourceFailed as error:
            raise click.BadParameter(str(error)) from None
    return value


model_option = click.option(
    "--model", callback=checked_model, help="Lower-case letters, digits and hyphens. Devices ask for it by this name."
)
version_option = click.option("--version", callback=checked_version_text, help="For people, such as 2.4.0.")
epoch_option = click.option(
    "--epoch",
    type=click.IntRange(1, _EPOCH_MAX),
    help="Greater than that of every earlier release of the model. Default: the next one.",
)
minimum_epoch_option = click.option(
    "--minimum-epoch",
    type=click.IntRange(0, _EPOCH_MAX),
    default=0,
    help="Releases of the model below it may not be used any more. Default: as it was.",
)
ignore_option = click.option(
    "--ignore",
    multiple=True,
    metavar="PATH",
    help="Leave out, with all below it; may be repeated. Git's own always is.",
)
