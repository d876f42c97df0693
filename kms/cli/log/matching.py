"""Which entries a person asked for: --match subject=..., by fields of entries that are JSON objects."""

import fnmatch
import json
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Match:
    """`path` leads through nested objects; `pattern` has the wildcards * and ?."""

    path: tuple[str, ...]
    pattern: str

    def holds(self, entry: dict[str, Any]) -> bool:
        value: Any = entry
        for name in self.path:
            value = value.get(name) if isinstance(value, dict) else None
        return value is not None and fnmatch.fnmatchcase(_text(value), self.pattern)


class MatchType(click.ParamType[Match]):
    """FIELD=PATTERN."""

    name = "field=pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Match:
        if isinstance(value, Match):
            return value
        field, sign, pattern = str(value).partition("=")
        if not field or not sign:
            self.fail(f"{value!r} is not FIELD=PATTERN, such as type=key.* or details.algorithm=ML-DSA-65", param, ctx)
        return Match(tuple(field.split(".")), pattern)


MATCH = MatchType()


def read_entry(data: bytes) -> dict[str, Any] | None:
    """None for an entry that is not a JSON object: other logs have those."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def printable(text: str) -> str:
    """What a log says must not move the cursor of the terminal that shows it."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
