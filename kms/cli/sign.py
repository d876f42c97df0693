"""`hallmark sign`: sign a file, standard input, or the manifest of a folder."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json, short, write_file

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.keys import Signature

STANDARD_INPUT: Final = "-"
_CHUNK_BYTES: Final = 1024 * 1024


@click.command()
@click.argument("file", required=False)
@click.option("--key", "key_name", required=True, metavar="NAME", help="Key, or version of it, that signs.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Sign a manifest of this folder (SHA-256 of each file) instead of a file.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out of the manifest; may be repeated.")
@click.option("--context", default="", help="Separates uses; whoever verifies must give the same.")
@click.option("--proof", is_flag=True, help="Wait for the log and write FILE.tlog-proof too.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Signature file. Default: FILE.sig")
@server_options("backend")
@json_option
def sign(
    file: str | None,
    key_name: str,
    folder: Path | None,
    exclude: tuple[str, ...],
    context: str,
    proof: bool,
    output: Path | None,
    server: Server,
    as_json: bool,
) -> None:
    """Sign FILE with a hybrid key; the signature goes to FILE.sig.

    FILE is hashed here and only its hash travels, so it may be of any size. "-" reads standard input. With --folder a
    manifest is written beside the folder and signed.

    \b
    Example:  hallmark sign model.safetensors --key manifest --proof
              hallmark sign --folder ./model --key manifest
    Then:     hallmark keys public manifest --output manifest.pem
              hallmark verify model.safetensors --key manifest.pem
    """
    if (file is None) == (folder is None):
        raise click.UsageError("give a FILE (or -) or --folder DIR, and not both")
    path = _manifest_of(folder, exclude) if folder is not None else Path(file or "")
    target = _target(path, output)
    with server.connect() as client:
        signature = _sign(client, key_name, path, context.encode(), published=proof)
    proof_file = _write(target, signature) if target is not None else None
    if as_json:
        _print(signature, path=path, target=target, proof_file=proof_file)
    elif target is None:
        sys.stdout.buffer.write(signature.signature)
    else:
        _tell(signature, path=path, target=target, proof_file=proof_file, folder=folder)


def _manifest_of(folder: Path, exclude: tuple[str, ...]) -> Path:
    """Beside the folder: inside it the manifest would change what it describes."""
    from hallmark_client.manifest import build_manifest

    resolved = folder.resolve()
    path = resolved.parent / f"{resolved.name}.manifest.json"
    write_file(path, build_manifest(resolved, exclude=exclude))
    return path


def _target(path: Path, output: Path | None) -> Path | None:
    if output is not None:
        return output
    if str(path) != STANDARD_INPUT:
        return path.with_name(f"{path.name}.sig")
    if sys.stdout.isatty():
        raise not_usable("OUTPUT_MISSING", "a signature is not text for a terminal", "Give --output FILE")
    return None


def _sign(client: "Client", key_name: str, path: Path, context: bytes, *, published: bool) -> "Signature":
    from hallmark_composite import Prehash

    digest = Prehash(client.keys.public_key(key_name).composite().algorithm)
    if str(path) == STANDARD_INPUT:
        _feed(digest.update, sys.stdin.buffer)
    else:
        with path.open("rb") as stream:
            _feed(digest.update, stream)
    return client.signing.sign(
        key_name, digest=digest.digest(), context=context, wait="published" if published else "committed"
    )


def _feed(update: Callable[[bytes], object], stream: BinaryIO) -> None:
    while piece := stream.read(_CHUNK_BYTES):
        update(piece)


def _write(target: Path, signature: "Signature") -> Path | None:
    from kms.cli.receipt import receipt_file

    write_file(target, signature.signature)
    if not signature.log.tlog_proof:
        return None
    proof_file = target.with_name(f"{target.name.removesuffix('.sig')}.tlog-proof")
    write_file(proof_file, receipt_file(signature.log))
    return proof_file


def _print(signature: "Signature", *, path: Path, target: Path | None, proof_file: Path | None) -> None:
    files = {"file": path, "signature_file": target, "proof_file": proof_file}
    print_json({**{name: file and str(file) for name, file in files.items()}, **signature.to_dict()})


def _tell(signature: "Signature", *, path: Path, target: Path, proof_file: Path | None, folder: Path | None) -> None:
    click.echo(f"Signed {path} with {short(signature.key_version)} ({signature.protection_level}): {target}")
    if proof_file is not None:
        click.echo(f"Logged as entry {signature.log.leaf_index}: {proof_file}")
    key = short(signature.key_version)
    folder_check = f" --manifest {shlex.quote(str(folder))}" if folder is not None else ""
    verify = f"hallmark verify {shlex.quote(str(path))} --key key.pem{folder_check}"
    click.echo(f"Next: hallmark keys public {key} --output key.pem && {verify}")
