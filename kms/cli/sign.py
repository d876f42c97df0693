"""`hallmark sign`: sign a file, standard input, or the manifest of a folder."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.gate_settings import device_option
from kms.cli.invocation import json_option
from kms.cli.output import print_json, short, write_file
from kms.cli.sign_input import STANDARD_INPUT, SUFFIXES, Wanted, sign_input

if TYPE_CHECKING:
    from hallmark_client.model.keys import Signature
    from hallmark_client.to_sign import SignatureFormat


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
@click.option("--stream", is_flag=True, help="Send the file in pieces and let the server hash it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(SUFFIXES)),
    default="raw",
    show_default=True,
    help="jws and cose hold the file (at most 1 MiB); not for hybrid keys, whose registrations are not settled.",
)
@device_option
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
    stream: bool,
    form: "SignatureFormat",
    device: str,
    proof: bool,
    output: Path | None,
    server: Server,
    as_json: bool,
) -> None:
    """Sign FILE; the signature goes to FILE.sig (FILE.jws, FILE.cose).

    With a hybrid key FILE is hashed here and only its hash travels, so it may be of any size; other keys get the file
    itself, and at most 64 KiB of it where they sign no hash (Ed25519, ML-DSA inside a token). "-" reads standard input.
    With --folder a manifest is written beside the folder and signed.

    \b
    Example:  hallmark sign model.safetensors --key manifest --proof
              hallmark sign --folder ./model --key manifest
              hallmark sign report.json --key fleet --device DEVICE
    Then:     hallmark keys public manifest --output manifest.pem
              hallmark verify model.safetensors --key manifest.pem
    """
    _check(file, folder, stream=stream, form=form)
    path = Path(file or "") if folder is None else _manifest_of(folder, exclude)
    target = _target(path, output, SUFFIXES[form])
    wanted = Wanted(key_name, path, context.encode(), form, stream=stream, proof=proof, device=device)
    with server.connect() as client:
        signature, used = sign_input(client, wanted)
    proof_file = _write(target, signature)
    if as_json or target is None:
        _print(signature, path, target, proof_file, as_json=as_json)
    else:
        _tell(signature, wanted, target=target, proof_file=proof_file)
        _tell_next(signature, wanted, target=target, folder=folder, context=used.decode())


def _check(file: str | None, folder: Path | None, *, stream: bool, form: str) -> None:
    """Raises UsageError for options that do not go together."""
    if (file is None) == (folder is None):
        raise click.UsageError("give a FILE (or -) or --folder DIR, and not both")
    if stream and form != "raw":
        raise click.UsageError("a streamed file gets a raw signature; the other formats hold the file")


def _manifest_of(folder: Path, exclude: tuple[str, ...]) -> Path:
    """Beside the folder: inside it the manifest would change what it describes."""
    from hallmark_client.manifest import build_manifest

    resolved = folder.resolve()
    path = resolved.parent / f"{resolved.name}.manifest.json"
    write_file(path, build_manifest(resolved, exclude=exclude))
    return path


def _target(path: Path, output: Path | None, suffix: str) -> Path | None:
    if output is not None:
        return output
    if str(path) != STANDARD_INPUT:
        return path.with_name(f"{path.name}.{suffix}")
    if sys.stdout.isatty():
        raise not_usable("OUTPUT_MISSING", "a signature is not text for a terminal", "Give --output FILE")
    return None


def _write(target: Path | None, signature: "Signature") -> Path | None:
    from kms.cli.receipt import receipt_file

    if target is None:
        return None
    write_file(target, signature.signature)
    if not signature.log.tlog_proof:
        return None
    proof_file = target.with_name(f"{target.name.removesuffix('.sig')}.tlog-proof")
    write_file(proof_file, receipt_file(signature.log))
    return proof_file


def _print(signature: "Signature", path: Path, target: Path | None, proof_file: Path | None, *, as_json: bool) -> None:
    """For programs: JSON, or the signature itself when it has no file."""
    if not as_json:
        sys.stdout.buffer.write(signature.signature)
        return
    files = {"file": path, "signature_file": target, "proof_file": proof_file}
    print_json({**{name: file and str(file) for name, file in files.items()}, **signature.to_dict()})


def _tell(signature: "Signature", wanted: Wanted, *, target: Path, proof_file: Path | None) -> None:
    click.echo(f"Signed {wanted.path} with {short(signature.key_version)} ({signature.protection_level}): {target}")
    if proof_file is not None:
        click.echo(f"Logged as entry {signature.log.leaf_index}: {proof_file}")


def _tell_next(signature: "Signature", wanted: Wanted, *, target: Path, folder: Path | None, context: str) -> None:
    """Of raw signatures of files: the other formats hold the file, and libraries for JOSE and COSE verify them."""
    path = wanted.path
    if wanted.form != "raw" or str(path) == STANDARD_INPUT:
        return
    arguments = ["hallmark", "verify", str(path), "--key", "key.pem"]
    if target != path.with_name(f"{path.name}.sig"):
        arguments += ["--signature", str(target)]
    if context:
        arguments += ["--context", context]
    if folder is not None:
        arguments += ["--manifest", str(folder)]
    public = f"hallmark keys public {short(signature.key_version)} --output key.pem"
    click.echo(f"Next: {public} && {shlex.join(arguments)}")
