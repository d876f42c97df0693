"""`hallmark log`: the transparency log, seen by an auditor who trusts its public files and nobody."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json, read_file, write_file
from kms.cli.receipt import read_vkeys

if TYPE_CHECKING:
    from hallmark_tlog.audit import AuditReport, Progress
    from hallmark_tlog.checkpoint import Checkpoint
    from hallmark_tlog.fetch import Fetch
    from hallmark_tlog.vkey import VerifierKey

_CHECKPOINT: Final = "checkpoint"
_MAX_NOTE_BYTES: Final = 1024 * 1024


@click.group()
def log() -> None:
    """Verify the transparency log like an auditor: public files and verifier keys, no account.

    \b
    Example:  hallmark log keys --output log.vkey
              hallmark log verify --public http://127.0.0.1:7480 --vkey log.vkey --since last.checkpoint
    """


@log.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write them there, one on each line.")
@server_options("auditor")
@json_option
def keys(output: Path | None, server: Server, as_json: bool) -> None:
    """Print the log's verifier keys, as the server tells them. Take them once, and keep them.

    \b
    Example:  hallmark log keys --output log.vkey
    Then:     hallmark log verify --public hallmark-data/public --vkey log.vkey
    """
    with server.connect() as client:
        identity = client.capabilities().log
    if output is not None:
        write_file(output, "".join(f"{line}\n" for line in identity.verifier_keys).encode())
    if as_json:
        print_json(identity.to_dict())
    elif output is None:
        click.echo("\n".join(identity.verifier_keys))
    else:
        public = identity.public_url or "DIR"
        click.echo(f"Wrote {output}. Next: hallmark log verify --public {public} --vkey {output}")


@log.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files of the log.")
@click.option(
    "--vkey", "vkeys", multiple=True, required=True, metavar="KEY|FILE", help="Each of them must have signed."
)
@click.option("--origin", help="Name of the log. Default: the name of the first --vkey.")
@click.option(
    "--since",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint of the last time: the log must extend it. Written anew when all holds.",
)
@json_option
def verify(public: str, vkeys: tuple[str, ...], origin: str | None, since: Path | None, as_json: bool) -> None:
    """Verify a whole log: checkpoint signatures, consistency with the last time, every entry. Ends 1 when it is broken.

    No service code takes part, only `hallmark_tlog`. A copy of the public folder serves as well as the server's own.

    \b
    Example:  hallmark log verify --public http://127.0.0.1:7480 --vkey log.vkey --since last.checkpoint
    Then:     run it again tomorrow: --since proves that nothing was taken back meanwhile
    """
    trusted = read_vkeys(vkeys)
    source = _Source(_fetcher(public))
    report = _audit(source, trusted, origin=origin or trusted[0].name, since=since, place=public)
    if since is not None:
        write_file(since, source.note)
    if as_json:
        print_json(_document(report))
    else:
        _tell(report, since)


@dataclass(slots=True)
class _Source:
    """A log's files; keeps the bytes of the checkpoint that was judged."""

    files: "Fetch"
    note: bytes = b""

    def fetch(self, path: str) -> bytes:
        data = self.files(path)
        if path == _CHECKPOINT:
            self.note = data
        return data


def _fetcher(public: str) -> "Fetch":
    from hallmark_tlog.fetch import folder_fetcher, http_fetcher

    return http_fetcher(public) if public.startswith(("http://", "https://")) else folder_fetcher(public)


def _audit(
    source: _Source, trusted: "list[VerifierKey]", *, origin: str, since: Path | None, place: str
) -> "AuditReport":
    from hallmark_tlog.audit import audit
    from hallmark_tlog.errors import MissingResource
    from hallmark_tlog.verify import Require

    previous = _previous(since, trusted, origin)
    try:
        return audit(source.fetch, trusted, origin=origin, previous=previous, require=Require.ALL, progress=_progress())
    except MissingResource as missing:
        if missing.path != _CHECKPOINT:
            raise
        advice = "Give the folder or URL that has the file `checkpoint`, such as hallmark-data/public"
        raise not_usable("LOG_MISSING", f"there is no log at {place}", advice) from missing


def _previous(since: Path | None, trusted: "list[VerifierKey]", origin: str) -> "Checkpoint | None":
    """The checkpoint of the last time. It is believed for its signatures, not for where it was kept."""
    from hallmark_tlog.verify import open_checkpoint

    if since is None or not since.exists():
        return None
    return open_checkpoint(read_file(since, _MAX_NOTE_BYTES), trusted, origin=origin).checkpoint


def _progress() -> "Progress | None":
    """On a terminal only."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, size: int) -> None:
        end = "\n" if done == size else ""
        click.echo(f"\r{done} of {size} entries verified{end}", nl=False, err=True)

    return show


def _document(report: "AuditReport") -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "verified": True,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root_hash": checkpoint.root.hex(),
        "entries_verified": report.entries_verified,
        "inclusions_verified": report.inclusions_verified,
        "tile_hashes_verified": report.tile_hashes_verified,
        "consistent_from": report.consistent_from,
        "signers": [{"name": signer.name, "type": signer.type, "time": signer.timestamp} for signer in report.signers],
    }


def _tell(report: "AuditReport", since: Path | None) -> None:
    checkpoint = report.checkpoint
    click.echo(f"The log {checkpoint.origin} holds: every entry is in the signed tree.")
    extends = "no earlier checkpoint was given" if since is None else "first time: nothing earlier to compare with"
    if report.consistent_from is not None:
        extends = f"the tree of size {report.consistent_from} is its beginning"
    print_facts(
        {
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "signed by": [f"{signer.name} ({_TYPES.get(signer.type, hex(signer.type))})" for signer in report.signers],
            "entries": f"{report.inclusions_verified} proved to be included",
            "consistency": extends,
        }
    )
    if since is None:
        click.echo("Next time, add --since last.checkpoint to prove that nothing is taken back in between")


_TYPES: Final = {0x01: "Ed25519", 0x04: "Ed25519 cosignature", 0x06: "ML-DSA-44"}
