"""`hallmark log append`: put an event of one's own into the log."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.log.append_results import document_of
from kms.cli.output import print_facts, print_json, read_file, write_file

if TYPE_CHECKING:
    from hallmark_client.model.appending import Appended, AppendWait

WAITS: Final = click.Choice(["published", "sequenced", "committed"])
WAIT_HELP: Final = "Until the proof is there, until the index is, or until it is stored."
_FACTS_BYTES_MAX: Final = 1_000_000


@click.command()
@click.option("--type", "event_type", required=True, metavar="TYPE", help="Such as com.example.model.released.")
@click.option("--subject", required=True, metavar="NAME", help="Resource name or URI that it happened to.")
@click.option("--detail", "details", multiple=True, metavar="NAME=VALUE", help="A fact everybody may read for ever.")
@click.option("--personal", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-", help="Facts on people.")
@click.option("--person", default="", metavar="HANDLE", help="Under which their salts can be erased: a pseudonym.")
@click.option("--wait", type=WAITS, default="published", show_default=True, help=WAIT_HELP)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the tlog-proof there.")
@click.option("--request-id", metavar="UUID", help="To repeat a call whose answer was lost. Default: a new one.")
@server_options("backend")
@json_option
def append(
    event_type: str,
    subject: str,
    details: tuple[str, ...],
    personal: Path | None,
    person: str,
    wait: "AppendWait",
    output: Path | None,
    request_id: str | None,
    server: Server,
    as_json: bool,
) -> None:
    """Put an event of yours into the log, and get the proof that it is there.

    What everybody may know goes into --detail. Facts about people are read from --personal FILE, a JSON object of
    texts, or from standard input, not from the command line, which others on the machine see. The log gets a salted
    commitment for each: keep the values, nobody else does.

    \b
    Example:  hallmark log append --type com.example.model.released --subject models/x/versions/12 \\
                --detail digest=sha256:2c26b46b --output x-12.tlog-proof
    Then:     hallmark log check-proof x-12.tlog-proof --vkey log.vkey
    """
    if output is not None and wait != "published":
        raise not_usable(
            "OPTIONS", "--output needs the proof, which is there when it is published", "Leave --wait away"
        )
    facts, personal_facts = dict(map(_pair, details)), _personal(personal)
    with server.connect() as client:
        appended = client.log.append(
            event_type, subject, details=facts, personal=personal_facts, person=person, wait=wait, request_id=request_id
        )
    if output is not None:
        write_file(output, _proof_with_entry(appended))
    _tell(appended, f"{event_type} {subject}", output, as_json=as_json)


def _pair(detail: str) -> tuple[str, str]:
    name, equals, value = detail.partition("=")
    if not name or not equals:
        raise not_usable("OPTIONS", f"{detail[:80]} is no fact", "Write --detail NAME=VALUE")
    return name, value


def _personal(path: Path | None) -> dict[str, str]:
    from kms.cli.log.event_lines import read_facts

    if path is None:
        return {}
    if str(path) == "-":
        return read_facts(sys.stdin.buffer.read(_FACTS_BYTES_MAX + 1), "standard input")
    return read_facts(read_file(path, _FACTS_BYTES_MAX), str(path))


def _proof_with_entry(appended: "Appended") -> bytes:
    """The entry goes along as the proof's extra data: one file to check."""
    import dataclasses

    from hallmark_tlog.proof import parse_proof

    return bytes(dataclasses.replace(parse_proof(appended.log.tlog_proof), extra=appended.log.entry))


def _tell(appended: "Appended", what: str, output: Path | None, *, as_json: bool) -> None:
    promise = appended.log
    if as_json:
        print_json({**document_of(appended), "entry": promise.entry.decode("utf-8", "replace")})
        return
    done = "Was there already" if appended.replayed else "Appended"
    place = "" if promise.leaf_index is None else f" as entry {promise.leaf_index}"
    click.echo(f"{done}{place}: {what}")
    print_facts(
        {
            "event key": promise.event_key,
            "leaf hash": promise.leaf_hash.hex(),
            "commitments": ", ".join(sorted(appended.salts)),
            "proof": output,
        }
    )
