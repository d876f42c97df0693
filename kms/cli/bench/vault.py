"""`hallmark bench vault`: the vault of a device on this disk, beside the SDK that people find today."""

import re
from pathlib import Path
from typing import Any, Final

import click

from kms.cli.failure import ExitCode
from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table

_UNITS: Final = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SMALLEST: Final = 256 * 1024


class SizeType(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Such as 1GiB or 64MiB, from 256 KiB on."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,5})(KiB|MiB|GiB)", value, re.ASCII)
        size = int(found[1]) * _UNITS[found[2]] if found else 0
        if size < _SMALLEST:
            self.fail(f"{value!r} is no size from 256KiB on, such as 64MiB or 1GiB", param, ctx)
        return size


_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--size", type=SizeType(), default="1GiB", show_default=True, help="Of the large artifact.")
@click.option("--full", is_flag=True, help="10 GiB too: takes minutes, and 31 GiB of disk.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Of large ones; the median.")
@click.option(
    "--folder", type=_FOLDER, help="Where to work: on the disk to be measured. Default: that of temporary files."
)
@click.option("--peer", is_flag=True, help="pqc-enclave-sdk 0.1.0 in the same run: fetched by pip, removed afterwards.")
@click.option("--peer-path", type=_FOLDER, multiple=True, help="... from here; repeat for what it needs.")
@click.option("--releases/--no-releases", default=True, show_default=True, help="Release build and update.")
@json_option
@click.pass_context
def vault(context: click.Context, /, *, as_json: bool, **plan: Any) -> None:
    """Put, get, random reads, release build and update; fsync on, each in a fresh process.

    \b
    PUT, GET   256 KiB, 64 MiB and --size: from a file into the vault, durable; and all of it out again, into memory
    CPU MS     on all cores together: half of it is what a calm machine with two cores needs at least
    +MIB       memory at the peak, beyond what the process had when the vault was open
    reads      4 KiB from random places of --size, microseconds
    release    build: encrypt and describe a folder. update: from a local repository into a vault, all verified
    exit 1     a goal was missed: they are for 1 GiB, on 2 cores that have nothing else to do

    The peer keeps everything in memory and syncs nothing. Reads come from the page cache, as they do on a device that
    just stored what it reads.

    \b
    Example:  hallmark bench vault --size 64MiB --no-releases
              hallmark bench vault --peer --json
    """
    from kms.cli.bench.vault_measure import VaultPlan, measure_vault
    from kms.cli.bench.vault_report import HEADER

    report = measure_vault(VaultPlan(**plan), say=lambda text: click.echo(text, err=True))
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(f"{report.cores} cores, load {report.load:.1f}, fsync on")
        print_table(HEADER, report.rows())
        reads = report.random_reads
        click.echo(f"{reads.count:,} random reads of 4 KiB: p50 {reads.p50_us:.1f} us, p99 {reads.p99_us:.1f} us")
    missed = [goal for goal in report.goals() if goal.is_met is False]
    for goal in missed:
        click.echo(f"hallmark: {goal.name}: {goal.found:.3g} {goal.unit}, the goal is {goal.goal:.3g}", err=True)
    if missed:
        context.exit(ExitCode.NOT_SO)
