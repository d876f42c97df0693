"""`hallmark log prove` and `check-proof`: proofs made from public files, and verified without them."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.log.entry_of import MAX_ENTRY_BYTES, find_entry
from kms.cli.log.matching import printable
from kms.cli.log.trust import Trust, fetcher, log_at, read_note, signer_facts, signer_names, trust_options
from kms.cli.output import print_facts, print_json, read_file, write_file

if TYPE_CHECKING:
    from hallmark_tlog.locate import PublicLog
    from hallmark_tlog.proof import VerifiedEntry

_MAX_PROOF_BYTES: Final = 2_000_000


@click.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files of the log.")
@trust_options(needed=True)
@click.option("--entry", metavar="N|KEY|HASH|FILE", help="Prove that this entry is in the log.")
@click.option("--from", "old_size", type=click.IntRange(min=0), metavar="SIZE", help="Prove that this tree ...")
@click.option(
    "--to", "new_size", type=click.IntRange(min=0), metavar="SIZE", help="... is in this; default: the newest."
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A signed checkpoint of the log to prove against, instead of the newest.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the proof there.")
@json_option
def prove(
    public: str,
    trust: Trust,
    entry: str | None,
    old_size: int | None,
    new_size: int | None,
    checkpoint: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Make a proof from the public files alone: an entry is in the log, or one size of the log is in another.

    It is verified before it is written. Inclusion is a C2SP tlog-proof; consistency is written as witnesses take it
    (C2SP tlog-witness). KEY is an event key, HASH the SHA-256 of an entry or of its leaf.

    \b
    Example:  hallmark log prove --public URL --vkey log.vkey --entry 4711 --output 4711.tlog-proof
    Then:     hallmark log check-proof 4711.tlog-proof --vkey log.vkey --entry entry.json
              hallmark log prove --public URL --vkey log.vkey --from 300
    """
    from hallmark_tlog.locate import PublicLog

    if (entry is None) == (old_size is None):
        raise not_usable("OPTIONS", "say what is to be proved", "Give --entry, or --from with a size")
    note = None if checkpoint is None else read_note(checkpoint)
    with log_at(public):
        log = PublicLog(fetcher(public), trust.accept, note)
    if entry is not None:
        _prove_entry(log, entry, output, as_json=as_json)
    else:
        assert old_size is not None
        _prove_prefix(log, old_size, new_size, output, as_json=as_json)


def _prove_entry(log: "PublicLog", wanted: str, output: Path | None, *, as_json: bool) -> None:
    found = log.prove(find_entry(log, wanted))
    if output is not None:
        write_file(output, bytes(found.proof))
    _tell(found.verified, as_json=as_json, hashes=len(found.proof.path), output=output)


def _prove_prefix(log: "PublicLog", old_size: int, new_size: int | None, output: Path | None, *, as_json: bool) -> None:
    """Between two sizes of the signed tree; only a proof to its own size has a checkpoint to go with."""
    from hallmark_tlog.canonical import encode_base64
    from hallmark_tlog.locate import format_consistency_proof

    signed = log.checkpoint.size
    size = signed if new_size is None else new_size
    if not old_size <= size <= signed:
        raise not_usable("SIZES", f"--from {old_size}, --to {size} and the log's {signed} do not rise")
    if output is not None and size != signed:
        raise not_usable("OPTIONS", "only a proof to the checkpoint's own size can be written", "Leave --to away")
    prefix, new_root = log.between(old_size, size)
    if output is not None:
        write_file(output, format_consistency_proof(prefix, log.note))
    if as_json:
        print_json(
            {
                "origin": log.checkpoint.origin,
                "old_size": old_size,
                "old_root": prefix.root.hex(),
                "new_size": size,
                "new_root": new_root.hex(),
                "proof": [encode_base64(value) for value in prefix.proof],
            }
        )
        return
    click.echo(f"The log of size {size} begins with the log of size {old_size}.")
    print_facts(
        {
            "old root": prefix.root.hex(),
            "new root": new_root.hex(),
            "proof": f"{len(prefix.proof)} hashes",
            "written to": output,
        }
    )


@click.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--entry", type=click.Path(path_type=Path, dir_okay=False), help="The entry. Default: what the proof brings along."
)
@trust_options(needed=True)
@json_option
def check_proof(file: Path, entry: Path | None, trust: Trust, as_json: bool) -> None:
    """Verify a tlog-proof offline: the entry is in the log of these keys.

    \b
    Example:  hallmark log check-proof 4711.tlog-proof --entry entry.json --vkey log.vkey
    """
    from hallmark_tlog.errors import FormatError
    from hallmark_tlog.proof import parse_proof, verify_entry

    try:
        proof = parse_proof(read_file(file, _MAX_PROOF_BYTES))
    except FormatError as error:
        raise not_usable("PROOF_INVALID", f"{file} is not a tlog-proof: {error}") from error
    data = proof.extra if entry is None else read_file(entry, MAX_ENTRY_BYTES)
    if entry is None and not data:
        raise not_usable("PROOF_WITHOUT_ENTRY", "this proof does not bring its log entry along", "Give --entry FILE")
    verified = verify_entry(proof, data, trust.accept(proof.checkpoint))
    _tell(verified, as_json=as_json, hashes=len(proof.path), output=None)


def _tell(verified: "VerifiedEntry", *, as_json: bool, hashes: int, output: Path | None) -> None:
    opened = verified.checkpoint
    if as_json:
        print_json(
            {
                "verified": True,
                "origin": opened.checkpoint.origin,
                "index": verified.index,
                "size": opened.checkpoint.size,
                "root_hash": opened.checkpoint.root.hex(),
                "entry": verified.entry.decode("utf-8", "replace"),
                "signers": signer_facts(opened.signers),
            }
        )
        return
    click.echo(f"Entry {verified.index} is in the log {opened.checkpoint.origin} of size {opened.checkpoint.size}.")
    print_facts(
        {
            "entry": printable(verified.entry.decode("utf-8", "backslashreplace")),
            "signed by": signer_names(opened.signers),
            "proof": f"{hashes} hashes",
            "written to": output,
        }
    )
