"""`hallmark audit licences`."""

import click

from kms.cli.audit.distribution import ROOT, Package, installed
from kms.cli.audit.licence_rules import ALLOWED, LicenceUnreadable, refused
from kms.cli.failure import not_so
from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table


@click.command()
@json_option
def licences(*, as_json: bool) -> None:
    """List the licence of every package of this installation; exit code 1 when one is not on the list of allowed ones.

    The list, with the reason for each, stands in kms/cli/audit/licence_rules.py.

    \b
    Example:  hallmark audit licences
    """
    packages = [package for package in installed().values() if package.name != ROOT]
    problems = {package.name: _problem(package) for package in packages}
    wrong = {name: problem for name, problem in problems.items() if problem}
    if as_json:
        rows = [
            {"name": each.name, "version": each.version, "licence": each.licence, "allowed": each.name not in wrong}
            for each in packages
        ]
        print_json({"packages": rows, "allowed": dict(ALLOWED)})
    else:
        print_table(
            ("PACKAGE", "VERSION", "LICENCE", ""),
            [(each.name, each.version, each.licence or "?", problems[each.name]) for each in packages],
        )
    if wrong:
        raise not_so(
            "LICENCE_NOT_ALLOWED",
            f"{len(wrong)} of {len(packages)} packages: " + "; ".join(f"{name}: {why}" for name, why in wrong.items()),
            "Take another package, or put the licence on the list in kms/cli/audit/licence_rules.py with a reason",
        )


def _problem(package: Package) -> str:
    """Empty when there is none."""
    if not package.licence:
        return "no licence is named"
    try:
        names = refused(package.licence)
    except LicenceUnreadable:
        return "not an SPDX expression"
    return f"not allowed: {', '.join(names)}" if names else ""
