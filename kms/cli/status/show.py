"""`hallmark status show`: what the newest manifest says."""

from datetime import UTC, datetime

import click

from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table
from kms.cli.status.reading import read_manifest, reader


@click.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files.")
@click.option("--tenant", default="default", show_default=True)
@json_option
def show(public: str, tenant: str, as_json: bool) -> None:
    """Show what the newest manifest says. Nothing is verified: `hallmark status verify` does.

    \b
    Example:  hallmark status show --public http://127.0.0.1:7480
    Then:     hallmark status verify --public http://127.0.0.1:7480 --vkey log.vkey
    """
    data, manifest = read_manifest(reader(public, tenant))
    is_fresh = datetime.now(UTC) < manifest.not_after
    facts = {
        "issuer": manifest.issuer,
        "tenant": manifest.tenant,
        "epoch": manifest.epoch.hex(),
        "number": manifest.number,
        "sequence": manifest.sequence,
        "fresh": is_fresh,
        "manifest_bytes": len(data),
        "state_bytes": manifest.state.size,
    }
    if as_json:
        times = {"issued_at": manifest.issued_at.isoformat(), "not_after": manifest.not_after.isoformat()}
        lists = [each.to_json() for each in manifest.lists]
        deltas = [{"from": each.start, **each.file.to_json()} for each in manifest.deltas]
        print_json({**facts, **times, "lists": lists, "deltas": deltas})
        return
    print_facts({**facts, "issued_at": manifest.issued_at, "not_after": moment(manifest.not_after)})
    if manifest.lists:
        print_table(("LIST", "ENTRIES", "URI"), [(str(e.number), str(e.size), e.uri) for e in manifest.lists])
    if manifest.deltas:
        print_table(("FROM", "BYTES"), [(str(each.start), str(each.file.size)) for each in manifest.deltas])
