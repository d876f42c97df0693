"""`hallmark verify`: a signature, judged offline with public material only."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json, read_file, short

if TYPE_CHECKING:
    from hallmark_client.bundle import VerifiedFile
    from hallmark_client.manifest import ManifestReport
    from hallmark_client.verifying_key import VerifyingKey
    from kms.cli.receipt import Receipt

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_MAX_SIGNATURE_BYTES: Final = 64 * 1024
_MAX_PROOF_BYTES: Final = 1024 * 1024
_MAX_IN_TOKEN_BYTES: Final = 65_536


@click.command()
@click.argument("file", type=_EXISTING)
@click.option("--key", "key_file", type=_EXISTING, required=True, help="Public key, PEM (hallmark keys public).")
@click.option("--signature", "signature_file", type=_EXISTING, help="Default: FILE.sig")
@click.option("--context", default="", help="The one that was given when signing.")
@click.option(
    "--manifest",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="FILE is a manifest: hold this folder against it too.",
)
@click.option("--proof", "proof_file", type=_EXISTING, help="Check the log's proof (FILE.tlog-proof) too.")
@click.option("--vkey", "vkeys", multiple=True, metavar="KEY|FILE", help="Verifier key of the log, for --proof.")
@json_option
def verify(
    file: Path,
    key_file: Path,
    signature_file: Path | None,
    context: str,
    folder: Path | None,
    proof_file: Path | None,
    vkeys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Verify the signature of FILE offline: no server, only the public key. Ends 1 when it does not verify.

    KEY may be of any algorithm that signs; of a hybrid signature both halves must hold. What a signature can not tell
    is whether its key was revoked since: `hallmark watch` does.

    \b
    Example:  hallmark verify model.safetensors --key manifest.pem
              hallmark verify model.manifest.json --key manifest.pem --manifest ./model
              hallmark verify FILE --key manifest.pem --proof FILE.tlog-proof --vkey log.vkey
    """
    if proof_file is not None and not vkeys:
        raise click.UsageError("--proof needs the log's verifier key: give --vkey (hallmark log keys prints it)")
    from hallmark_client.bundle import load_public_key, verify_file
    from hallmark_client.manifest import verify_manifest

    key = load_public_key(key_file)
    signature = _signature(file, signature_file)
    verified = verify_file(key, file, signature, context.encode())
    report = None if folder is None else verify_manifest(file.read_bytes(), folder)
    receipt = None if proof_file is None else _receipt(proof_file, vkeys, key, file, verified, signature)
    if as_json:
        print_json(_document(verified, report, receipt))
    else:
        _tell(verified, report, receipt)


def _signature(file: Path, signature_file: Path | None) -> bytes:
    path = signature_file or file.with_name(f"{file.name}.sig")
    if signature_file is None and not path.exists():
        raise not_usable("SIGNATURE_MISSING", f"there is no {path}", "Say where it is with --signature")
    return read_file(path, _MAX_SIGNATURE_BYTES)


def _receipt(
    proof_file: Path,
    vkeys: tuple[str, ...],
    key: "VerifyingKey",
    file: Path,
    verified: "VerifiedFile",
    signature: bytes,
) -> "Receipt":
    from hallmark_client.bundle import signed_input
    from kms.cli.receipt import check_receipt, read_vkeys

    proof = read_file(proof_file, _MAX_PROOF_BYTES)
    inputs = [signed_input(key, file, verified.context)]
    if verified.algorithm.startswith("ML-DSA") and file.stat().st_size <= _MAX_IN_TOKEN_BYTES:
        inputs.append(read_file(file, _MAX_IN_TOKEN_BYTES))  # a token that signs the message itself
    return check_receipt(proof, read_vkeys(vkeys), signature=signature, inputs=inputs)


def _document(verified: "VerifiedFile", report: "ManifestReport | None", receipt: "Receipt | None") -> dict[str, Any]:
    from dataclasses import asdict

    document: dict[str, Any] = {"verified": True, **verified.to_dict()}
    if report is not None:
        document["manifest"] = report.to_dict()
    if receipt is not None:
        document["log"] = asdict(receipt)
    return document


def _tell(verified: "VerifiedFile", report: "ManifestReport | None", receipt: "Receipt | None") -> None:
    halves = ", both halves" if verified.algorithm.startswith("id-") else ""
    click.echo(f"Verified: {verified.path}, {verified.algorithm}{halves}.")
    click.echo(f"Signed by the key with SHA-256 {verified.public_key_sha256}.")
    if report is not None:
        click.echo(f"The folder is what the manifest says ({report.files} in all, {report.total_bytes} bytes).")
    if receipt is not None:
        where = f"entry {receipt.leaf_index} of {receipt.origin} (size {receipt.tree_size})"
        click.echo(f"Logged as {where}: signed by {short(receipt.key_version)} at {receipt.time}.")
