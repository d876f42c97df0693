"""What this installation is made of: the distribution `hallmark` and everything it pulled in, as importlib.metadata has
it. What the tests and tools of the developers brought along is not part of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from kms.cli.audit.licence_rules import field, licence_of

ROOT: Final = "hallmark"
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([A-Za-z0-9._-]+)['"]""")
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Package:
    """`name` as in PEP 503. `licence`: an SPDX expression, empty where nothing says. `needs`: names of packages."""

    name: str
    version: str
    licence: str
    summary: str
    needs: tuple[str, ...]


def installed() -> dict[str, Package]:
    """By name, `hallmark` among them. An extra counts where what it asks for is installed. Raises
    PackageNotFoundError where hallmark itself was not installed.
    """
    found: dict[str, Package] = {}
    extras_of_root = frozenset(metadata.metadata(ROOT).get_all("Provides-Extra", []))
    waiting: list[tuple[str, frozenset[str]]] = [(ROOT, extras_of_root)]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = wanted = waiting.pop()
        if wanted in done:
            continue
        done.add(wanted)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of another platform, or of an extra that was not asked for
            continue
        needed = dict(_needs(distribution, extras))
        waiting += needed.items()
        before = found[name].needs if name in found else ()
        found[name] = _package(name, distribution, {*needed, *before})
    return {
        name: Package(each.name, each.version, each.licence, each.summary, tuple(n for n in each.needs if n in found))
        for name, each in sorted(found.items())
    }


def pinned_hashes(constraints: Path) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """SHA-256 of every file that may be installed for (name, version), from a constraints file and those beside it for
    what is installed apart (constraints-tpm.txt beside constraints.txt). Raises OSError.
    """
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    apart = sorted(constraints.parent.glob(f"{constraints.stem}-*{constraints.suffix}"))
    for block in re.split(r"\n(?=\S)", "\n".join(file.read_text() for file in (constraints, *apart))):
        if pin := _PIN.match(block):
            found[normal(pin[1]), pin[2]] = tuple(_HASH.findall(block))
    return found


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _package(name: str, distribution: metadata.Distribution, needs: set[str]) -> Package:
    facts = distribution.metadata
    return Package(name, distribution.version, licence_of(name, facts), field(facts, "Summary"), tuple(sorted(needs)))


def _needs(distribution: metadata.Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in distribution.requires or ():
        requirement, _, marker = line.partition(";")
        wanted = _EXTRA.search(marker)
        found = _REQUIREMENT.match(requirement)
        if found is None or (wanted is not None and wanted[1] not in extras):
            continue
        more = frozenset(extra.strip() for extra in (found[2] or "").split(",") if extra.strip())
        yield normal(found[1]), more
