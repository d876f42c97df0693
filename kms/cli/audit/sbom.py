"""`hallmark audit sbom`: what is installed, as CycloneDX 1.6."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.audit.distribution import ROOT, Package, installed, pinned_hashes
from kms.cli.invocation import json_option
from kms.cli.output import print_json, write_file

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

_DEFAULT_CONSTRAINTS = Path("constraints.txt")


@click.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write it.")
@click.option(
    "--constraints",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the pins that were installed from; their hashes go along. Default: constraints.txt, if it is here.",
)
@json_option
def sbom(*, output: Path, constraints: Path | None, as_json: bool) -> None:
    """Write a software bill of materials of this installation: CycloneDX 1.6, JSON.

    Every package with its version, licence, package URL, what it needs, and the SHA-256 of the files that its pin
    accepts (one for each platform; which of them was installed, the installer does not keep).

    \b
    Example:  hallmark audit sbom --output sbom.json
    """
    from kms.cli.audit.documents import written

    if constraints is None and _DEFAULT_CONSTRAINTS.exists():
        constraints = _DEFAULT_CONSTRAINTS
    packages = installed()
    hashes = pinned_hashes(constraints) if constraints else {}
    hashed = sum(bool(hashes.get((each.name, each.version))) for each in packages.values())
    write_file(output, written(make_sbom(packages, hashes)))
    if as_json:
        print_json({"output": str(output), "packages": len(packages) - 1, "hashes": hashed > 0, "hashed": hashed})
        return
    click.echo(f"Wrote {output}: {len(packages) - 1} packages, {hashed or 'none'} of them with hashes.")


def make_sbom(packages: Mapping[str, Package], hashes: Mapping[tuple[str, str], tuple[str, ...]]) -> "Bom":
    """`hashes`: of kms.cli.audit.distribution.pinned_hashes."""
    from kms.cli.audit.documents import new_bom

    components = {name: _component(each, hashes.get((name, each.version), ())) for name, each in packages.items()}
    bom = new_bom(components[ROOT])
    for name, component in components.items():
        if name != ROOT:
            bom.components.add(component)
        bom.register_dependency(component, [components[needed] for needed in packages[name].needs])
    return bom


def _component(package: Package, hashes: tuple[str, ...]) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression
    from packageurl import PackageURL

    is_root = package.name == ROOT
    url = PackageURL("pypi", None, package.name, package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.APPLICATION if is_root else ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=None if is_root else url,
        description=package.summary or None,
        licenses=[LicenseExpression(package.licence)] if package.licence else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes],
    )
