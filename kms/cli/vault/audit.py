"""`hallmark vault audit`: what was done with the vault."""

from pathlib import Path
from typing import Final

import click

from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table
from kms.cli.vault.opening import Place, vault_options

_LAST: Final = 20


@click.command()
@vault_options
@click.option(
    "--last", type=click.IntRange(min=1, max=1000), default=_LAST, show_default=True, help="How many entries."
)
@click.option(
    "--export", "to", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole chain to a file."
)
@json_option
def audit(place: Place, last: int, to: Path | None, as_json: bool) -> None:
    """Verify the audit chain, and show its last entries.

    A chain shows changes only against something known from elsewhere: keep the head that this prints, and verify an
    export against it with python -m hallmark_client.device.audit.

    \b
    Example:  hallmark vault audit --last 50
              hallmark vault audit --export audit.jsonl
    """
    from hallmark_client.device.audit import export

    with place.open() as vault:
        vault.flush()
        head = vault.audit.verify()
        entries = vault.audit.entries(max(0, head.size - last), last)
        if to is not None:
            with to.open("wb") as file:
                file.writelines(export(vault.audit))
    if as_json:
        told = [{"number": each.number, **each.record.to_dict()} for each in entries]
        print_json({"size": head.size, "head": head.head.hex(), "entries": told})
        return
    rows = [
        (str(each.number), moment(each.record.time), each.record.act.value, each.record.outcome.value,
         each.record.name, each.record.caller, each.record.clause)
        for each in entries
    ]  # fmt: skip
    print_table(("NUMBER", "TIME", "ACT", "OUTCOME", "ARTIFACT", "CALLER", "CLAUSE"), rows)
    click.echo(f"The chain holds: {head.size} entries, head {head.head.hex()}")
