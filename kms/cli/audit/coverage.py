"""`hallmark audit report`."""

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from kms.cli.audit.all_tenants import all_tenants_option, asked_for
from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table
from kms.cli.times import MOMENT

if TYPE_CHECKING:
    from hallmark_client.model.audit import AlgorithmShare, CoverageReport

_WIDTH: Final = 100


@click.command("report")
@click.option("--since", type=MOMENT, help="Default: 30 days before --until. Counted from the hour that it lies in.")
@click.option("--until", type=MOMENT, help="Default: now.")
@all_tenants_option
@server_options("auditor")
@json_option
def report(*, since: datetime | None, until: datetime | None, all_tenants: bool, server: Server, as_json: bool) -> None:
    """How much would stand against a quantum computer.

    Sessions, keys, signatures and certificates by algorithm; what rests on classical cryptography only, and what to do.
    All counts are of this service; sessions and signatures of the last seconds are not in them yet.

    \b
    Example:  hallmark audit report
              hallmark audit report --since 2026-11-01 --json
    """
    with server.connect() as client, asked_for(all_tenants):
        found = client.audit.coverage(since=since, until=until, all_tenants=all_tenants)
    if as_json:
        print_json(found.to_dict())
        return
    _print(found)


def _print(found: "CoverageReport") -> None:
    click.echo(f"Post-quantum coverage from {moment(found.since)} to {moment(found.until)}")
    click.echo()
    click.echo(_verdict("sessions", found.sessions_covered, found.sessions))
    click.echo(_verdict("keys", found.keys_covered, found.keys))
    click.echo(_verdict("signatures", found.signatures_covered, found.signatures))
    for title, shares in (
        ("KEY EXCHANGE", found.sessions),
        ("TLS VERSION", found.tls_versions),
        ("CERTIFICATE KEY", found.certificate_keys),
        ("CERTIFICATE SIGNATURE", found.certificate_signatures),
        ("KEYS", found.keys),
        ("SIGNATURES", found.signatures),
    ):
        if shares:
            click.echo()
            print_table((title, "SAFETY", "COUNT", "SHARE"), [_row(share) for share in shares])
    if found.classical_only:
        click.echo("\nStill classical only:")
    for each in found.classical_only:
        click.echo(f"\n  {each.what}: {each.count}")
        click.echo(_folded(f"Risk: {each.risk}"))
        click.echo(_folded(f"Do:   {each.advice}"))


def _verdict(what: str, covered: float, shares: Sequence["AlgorithmShare"]) -> str:
    count = sum(share.count for share in shares)
    if not count:
        return f"  {what:<11}   none"
    return f"  {what:<11} {_percent(covered):>6} of {count} with a post-quantum part"


def _row(share: "AlgorithmShare") -> tuple[str, ...]:
    safety = "" if share.safety == "UNKNOWN" else share.safety.lower().replace("_", "-")
    return share.algorithm or "none (bearer token)", safety, str(share.count), _percent(share.share)


def _percent(share: float) -> str:
    """Never rounded up to all, or down to nothing."""
    if 0.999 <= share < 1:
        return "99.9%"
    if 0 < share <= 0.001:
        return "0.1%"
    return f"{share:.0%}" if share in {0.0, 1.0} else f"{share:.1%}"


def _folded(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="          ")
