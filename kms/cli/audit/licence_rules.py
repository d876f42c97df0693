"""Which licences a dependency may have, and what its metadata say of it. The one place for both."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageMetadata
from typing import Final

ALLOWED: Final = {
    "0BSD": "permissive",
    "Apache-2.0": "permissive, with a patent grant",
    "BSD-2-Clause": "permissive",
    "BSD-3-Clause": "permissive",
    "ISC": "permissive",
    "MIT": "permissive",
    "MIT-0": "permissive",
    "PSF-2.0": "permissive: Python's own",
    "Unlicense": "public domain",
    "LGPL-3.0-only": "the PostgreSQL driver: used as it comes, as a library of its own that anybody may replace",
}
"""SPDX identifiers, each with its reason."""

_CLASSIFIERS: Final = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
_SPELLINGS: Final = {
    "mit license": "MIT",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "psfl": "PSF-2.0",
}
_NOT_IN_METADATA: Final = {"cedarpy": "Apache-2.0", "tpm2-pytss": "BSD-2-Clause"}
"""Packages whose metadata name no licence, or not which of its kind: what the LICENSE file says that they bring."""
_TOKEN: Final = re.compile(r"\s*(\(|\)|[A-Za-z0-9.+-]+)")
_NO_LICENCE: Final = frozenset({"", ")", "OR", "AND", "WITH"})
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9.+-]+")


class LicenceUnreadable(ValueError):
    """What should be an SPDX expression is none."""


def licence_of(name: str, facts: PackageMetadata) -> str:
    """An SPDX expression (PEP 639), from the older fields where there is none; empty where nothing says."""
    if expression := field(facts, "License-Expression"):
        return expression
    if name in _NOT_IN_METADATA:
        return _NOT_IN_METADATA[name]
    if spelled := field(facts, "License"):
        first = spelled.splitlines()[0].strip()
        known = _SPELLINGS.get(first.lower())
        if known or _IDENTIFIER.fullmatch(first):
            return known or first
    named = {_CLASSIFIERS[each] for each in facts.get_all("Classifier", []) if each in _CLASSIFIERS}
    return " OR ".join(sorted(named))


def field(facts: PackageMetadata, name: str) -> str:
    """Of a package's metadata; empty where there is none."""
    return facts[name].strip() if name in facts else ""


def refused(expression: str) -> tuple[str, ...]:
    """The licences of an expression that stand in the way; none: it may be used. Of `A OR B` one is enough, of `A AND
    B` both are needed (SPDX 2.3, annex D). An exception (WITH) only adds permissions. Raises LicenceUnreadable.
    """
    tokens = list(_tokens(expression))
    found = _either(tokens)
    if tokens:
        raise LicenceUnreadable(expression)
    return tuple(dict.fromkeys(found))


def _tokens(expression: str) -> Iterator[str]:
    place = 0
    while place < len(expression.rstrip()):
        found = _TOKEN.match(expression, place)
        if found is None:
            raise LicenceUnreadable(expression)
        place = found.end()
        yield found[1]


def _either(tokens: list[str]) -> list[str]:
    choices = [_both(tokens)]
    while tokens and tokens[0].upper() == "OR":
        tokens.pop(0)
        choices.append(_both(tokens))
    return [] if not all(choices) else [name for choice in choices for name in choice]


def _both(tokens: list[str]) -> list[str]:
    found = _one(tokens)
    while tokens and tokens[0].upper() == "AND":
        tokens.pop(0)
        found += _one(tokens)
    return found


def _one(tokens: list[str]) -> list[str]:
    first = tokens.pop(0) if tokens else ""
    if first == "(":
        found = _either(tokens)
        if not tokens or tokens.pop(0) != ")":
            raise LicenceUnreadable("a bracket is not closed")
        return found
    if first.upper() in _NO_LICENCE:
        raise LicenceUnreadable("a licence is missing")
    if len(tokens) > 1 and tokens[0].upper() == "WITH":
        del tokens[:2]
    return [] if first in ALLOWED else [first]
