"""`hallmark vault put` and `get`: artifacts in and out."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from kms.cli.consent.choices import KINDS
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.cli.release.disk import writing
from kms.cli.release.progress import byte_progress
from kms.cli.vault.opening import Place, as_option, vault_options

if TYPE_CHECKING:
    from hallmark_client.device.vault import ArtifactReader

_BLOCK: Final = 1024 * 1024


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@vault_options
@click.option("--name", help="What apps ask for, such as models/chat. Default: the file's own name.")
@click.option("--kind", type=click.Choice(KINDS), default="other", show_default=True, help="What it is.")
@click.option("--version", type=click.IntRange(min=0), default=0, help="Counts up; apps get the highest. Default: 0.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="For your own use; may be repeated.")
@click.option(
    "--needs-permission", is_flag=True, help="Only usable on an enrolled device, while a lease stands behind it."
)
@json_option
def put(
    file: Path,
    place: Place,
    name: str | None,
    kind: str,
    version: int,
    labels: tuple[str, ...],
    needs_permission: bool,
    as_json: bool,
) -> None:
    """Encrypt FILE into the vault; "-" is standard input. FILE stays where it is: delete it yourself.

    \b
    Example:  hallmark vault put model.gguf --name models/chat --kind model-weights --version 3
              curl -s https://example.com/voice.bin | hallmark vault put - --name voice
    """
    from hallmark_client.model.consents import ArtifactKind

    piped = str(file) == "-"
    if piped and name is None:
        raise click.UsageError("what comes from standard input needs --name")
    size = 0 if piped else file.stat().st_size
    kept = dict(_label(text) for text in labels)
    with place.open() as vault, _as_usage(), byte_progress("storing", size) as advance:
        artifact = vault.put(
            sys.stdin.buffer if piped else file,
            name=name or file.name,
            kind=ArtifactKind[kind.upper().replace("-", "_")],
            version=version,
            needs_permission=needs_permission,
            labels=kept,
            progress=_Steps(advance),
        )
    if as_json:
        print_json(artifact.to_dict())
    else:
        click.echo(
            f"Stored {artifact.name} version {artifact.version}, {artifact.size:,} bytes, SHA-256 {artifact.digest}"
        )


@click.command()
@click.argument("name")
@vault_options
@as_option
@click.option("--version", type=click.IntRange(min=0), help="Default: the highest.")
@click.option("--part", default="", help="File of an artifact that has several: `hallmark vault show` lists them.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=True,
              help='Where the plaintext goes; "-" is standard output.')  # fmt: skip
@json_option
def get(name: str, place: Place, application: str, version: int | None, part: str, output: Path, as_json: bool) -> None:
    """Decrypt an artifact into a file (mode 0600). The policy decides, by --as; each read is in the audit chain.

    \b
    Example:  hallmark vault get models/chat -o model.gguf
              hallmark vault get voice -o - | sha256sum
    """
    from hallmark_client.device.model import Caller

    if str(output) == "-" and as_json:
        raise click.UsageError("--json and plaintext do not both fit into standard output")
    caller = Caller(application=application)
    with place.open() as vault, vault.get(name, version=version, part=part, caller=caller) as reader:
        with byte_progress("reading", reader.size) as advance:
            if str(output) == "-":
                _copy(reader, sys.stdout.buffer, advance)
            else:
                _write(reader, output, advance)
        found, size = reader.artifact, reader.size
    if as_json:
        print_json({"output": str(output), "part": part, "artifact": found.to_dict()})
    elif str(output) != "-":
        click.echo(f"Wrote {output}: {found.name} version {found.version}, {size:,} bytes")


@contextmanager
def _as_usage() -> Iterator[None]:
    """A name, a version or a label that no artifact can have. Raises UsageError."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(f"{error} (--name, --version, --label)") from None


class _Steps:
    """From bytes so far to bytes since."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._before = 0

    def __call__(self, taken: int) -> None:
        self._advance(taken - self._before)
        self._before = taken


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--label")
    return key, value


def _copy(reader: "ArtifactReader", out: BinaryIO, advance: Callable[[int], None]) -> None:
    block = memoryview(bytearray(_BLOCK))
    while count := reader.readinto(block):
        out.write(block[:count])
        advance(count)
    out.flush()


def _write(reader: "ArtifactReader", path: Path, advance: Callable[[int], None]) -> None:
    """Whole or not at all. What is no file, such as a pipe or /dev/null, is written to and stays what it is."""
    if path.exists() and not path.is_file():
        with writing(path), path.open("wb", buffering=0) as file:
            _copy(reader, file, advance)
        return
    try:
        descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        advice = "Check the folder, who may write there, and the space on its disk"
        raise not_usable("FILE", f"{path} can not be written: {error.strerror}", advice) from None
    try:
        with writing(path), os.fdopen(descriptor, "wb", buffering=0) as file:
            _copy(reader, file, advance)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
