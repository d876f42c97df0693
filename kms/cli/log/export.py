"""`hallmark log export` and `check-pack`: evidence that stands alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.log.entry_of import find_entry
from kms.cli.log.matching import printable
from kms.cli.log.trust import Trust, fetcher, log_at, signer_facts, signer_names, trust_options
from kms.cli.output import print_facts, print_json, read_file, write_file

if TYPE_CHECKING:
    from hallmark_tlog.evidence_pack import EvidencePack
    from hallmark_tlog.proof import VerifiedEntry

_MAX_PACK_BYTES: Final = 12_000_000


@click.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files of the log.")
@trust_options(needed=True)
@click.option("--entry", required=True, metavar="N|KEY|HASH|FILE", help="The entry, as `log prove` takes it.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The pack, a ZIP file.")
@json_option
def export(public: str, trust: Trust, entry: str, output: Path, as_json: bool) -> None:
    """Export an entry as an evidence pack: one file that a court can verify offline and without us.

    It holds the entry, the proof, the checkpoint with all signatures, the keys, the policy, and a README that says how
    to check them by hand. The same evidence gives the same bytes.

    \b
    Example:  hallmark log export --public URL --policy log.policy --entry 4711 --output 4711.zip
    Then:     hallmark log check-pack 4711.zip --policy log.policy
    """
    from hallmark_tlog.evidence_pack import make_pack
    from hallmark_tlog.locate import PublicLog

    with log_at(public):
        log = PublicLog(fetcher(public), trust.accept)
    proved = log.prove(find_entry(log, entry))
    policy, text = trust.as_policy()
    pack = make_pack(proved, policy, text)
    write_file(output, bytes(pack))
    if as_json:
        print_json({"output": str(output), "bytes": len(bytes(pack)), **_facts(proved.verified)})
    else:
        click.echo(f"Wrote {output}: entry {proved.verified.index} of {log.checkpoint.origin}.")
        click.echo(f"Next: hallmark log check-pack {output} --vkey KEYS, or unzip it and read README.txt")


@click.command("check-pack")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@trust_options(needed=False)
@json_option
def check_pack(file: Path, trust: Trust | None, as_json: bool) -> None:
    """Verify an evidence pack offline. Give the keys or the policy that YOU trust.

    Without them the pack is checked with the keys inside, which anybody can have put there: the command shows their
    fingerprints and ends with 2, not with 0.

    \b
    Example:  hallmark log check-pack 4711.zip --vkey log.vkey
    """
    from hallmark_tlog.acceptance import accept_by_policy
    from hallmark_tlog.errors import FormatError
    from hallmark_tlog.evidence_pack import parse_pack, verify_pack

    try:
        pack = parse_pack(read_file(file, _MAX_PACK_BYTES))
    except FormatError as error:
        raise not_usable("PACK_INVALID", f"{file} is not an evidence pack: {error}") from error
    accept = accept_by_policy(pack.claimed_policy) if trust is None else trust.accept
    verified = verify_pack(pack, accept)
    if as_json and trust is not None:
        print_json({"verified": True, **_facts(verified), "keys": _keys(pack)})
    elif not as_json:
        _tell(pack, verified, is_trusted=trust is not None)
    if trust is None:
        prints = ", ".join(f"{key['name']} {key['sha256']}" for key in _keys(pack))
        raise not_usable(
            "KEYS_ARE_CLAIMS",
            f"the pack is consistent in itself, but its keys are only claims: {prints}",
            "Compare these fingerprints over another channel, then give the keys with --vkey or --policy",
        )


def _facts(verified: "VerifiedEntry") -> dict[str, Any]:
    opened = verified.checkpoint
    return {
        "origin": opened.checkpoint.origin,
        "index": verified.index,
        "size": opened.checkpoint.size,
        "entry": verified.entry.decode("utf-8", "replace"),
        "signers": signer_facts(opened.signers),
    }


def _keys(pack: "EvidencePack") -> list[dict[str, str]]:
    from hallmark_tlog.pack_readme import fingerprint, listed_keys, type_name

    return [
        {"name": printable(key.name), "type": type_name(key.type), "sha256": fingerprint(key)}
        for key in listed_keys(pack.claimed_policy)
    ]


def _tell(pack: "EvidencePack", verified: "VerifiedEntry", *, is_trusted: bool) -> None:
    opened = verified.checkpoint
    where = printable(f"entry {verified.index} of the log {opened.checkpoint.origin}")
    if is_trusted:
        click.echo(f"It holds: {where}, under the keys you gave.")
    else:
        click.echo(f"If the keys inside are the log's: {where}.")
    print_facts(
        {
            "entry": printable(verified.entry.decode("utf-8", "backslashreplace")),
            "log size": opened.checkpoint.size,
            "signed by": [printable(name) for name in signer_names(opened.signers)],
        }
    )
    click.echo("Keys in the pack, SHA-256 of each vkey line:")
    for key in _keys(pack):
        click.echo(f"  {key['sha256']}  {key['name']} ({key['type']})")
