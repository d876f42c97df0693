"""`hallmark attest verify-vectors`: folders of evidence with known answers."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms.cli.bench.numbers import percentile
from kms.cli.failure import ExitCode, not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json

if TYPE_CHECKING:
    from attestation.samples.scoring import Score


@click.command("verify-vectors")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
def verify_vectors(folder: Path, as_json: bool) -> None:
    """Judge every sample under FOLDER and compare with its known answer. Ends 1 when one is wrong.

    FOLDER holds one folder for each vendor, or is one: expected.json lists evidence files, the time to judge at, and
    what must come out (authentic, verdict, reason). Rows that are collateral or trust anchors are not counted.

    \b
    samples          rows judged
    authentic_right  genuine or not, as expected
    verdict_right    accepted or refused, as expected
    reason_right     refused for the expected cause first; accepted with none
    exceptions       rows that could not be judged at all; an expected.json that can not be read counts as one
    p50_ms, p99_ms   time of one verdict, milliseconds

    \b
    Example:  hallmark attest verify-vectors vectors/attestation --json
    """
    scores = _scores(folder)
    vendors = {vendor: [score for score in scores if score.vendor == vendor] for vendor in _names(scores)}
    if as_json:
        counted = {vendor: _count(of_vendor) for vendor, of_vendor in vendors.items()}
        print_json({"vendors": counted, "total": _count(scores)})
    else:
        _tell(vendors, scores)
    if not all(score.right for score in scores):
        click.get_current_context().exit(ExitCode.NOT_SO)


def _scores(folder: Path) -> list["Score"]:
    """Raises CommandError when there is no set at all that can be read."""
    from attestation.samples.scoring import SamplesError, find_sets, load_set, score_set, unreadable_set

    scores: list[Score] = []
    problems: list[str] = []
    try:
        paths = find_sets(folder)
    except SamplesError as error:
        raise not_usable("SAMPLES_INVALID", str(error)) from error
    for path in paths:
        try:
            vendor, samples = load_set(path)
        except SamplesError as error:
            problems.append(str(error))
            scores.append(unreadable_set(path, str(error)))
        else:
            scores += score_set(vendor, samples, timer=time.perf_counter)
    if len(problems) == len(paths):
        raise not_usable("SAMPLES_INVALID", "; ".join(problems))
    return scores


def _names(scores: Sequence["Score"]) -> list[str]:
    return list(dict.fromkeys(score.vendor for score in scores))


def _count(scores: Sequence["Score"]) -> dict[str, Any]:
    compared = [score.comparison for score in scores if score.comparison is not None]
    times = [score.milliseconds for score in scores if score.milliseconds is not None]
    return {
        "samples": len(scores),
        "authentic_right": sum(comparison.authentic for comparison in compared),
        "verdict_right": sum(comparison.verdict for comparison in compared),
        "reason_right": sum(comparison.reason for comparison in compared),
        "exceptions": len(scores) - len(compared),
        "p50_ms": round(percentile(times, 50), 3) if times else None,
        "p99_ms": round(percentile(times, 99), 3) if times else None,
        "wrong": [score.id for score in scores if not score.right],
        "problems": [f"{score.id}: {score.problem}" for score in scores if score.comparison is None],
    }


def _tell(vendors: dict[str, list["Score"]], scores: Sequence["Score"]) -> None:
    click.echo(f"{'':18}{'samples':>8}{'authentic':>11}{'verdict':>9}{'reason':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for name, of_vendor in (*vendors.items(), ("total", scores)):
        count = _count(of_vendor)
        right = f"{count['authentic_right']:>11}{count['verdict_right']:>9}{count['reason_right']:>8}"
        click.echo(f"{name:18}{count['samples']:>8}{right}{count['p50_ms'] or '-':>9}{count['p99_ms'] or '-':>9}")
    for score in scores:
        if not score.right:
            click.echo(f"WRONG {score.vendor} {score.id}: {score.problem}")
