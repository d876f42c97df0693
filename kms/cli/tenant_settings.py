"""Options for what a tenant may use: quotas, channel rules."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import Command
from kms.cli.output import read_file

if TYPE_CHECKING:
    from hallmark_client.model.tenants import ChannelRules, ChannelTrigger, Quotas

_FILE_BYTES_MAX: Final = 64 * 1024
_INT64_MAX: Final = 2**63 - 1
_Fields: TypeAlias = Mapping[str, Callable[[object], Any]]
_COUNT: Final = click.IntRange(0, 10**12)
_RULES_EXAMPLE: Final = '{"mode": "PREFER", "triggers": [{"networks": ["10.20.0.0/16"], "sensitivity": "HIGH"}]}'
_QUOTAS: Final = ("rate_per_second", "concurrency", "streams", "keys", "devices")
_OPTIONS: Final[tuple[Callable[[Command], Command], ...]] = (
    click.option(
        "--rate",
        "rate_per_second",
        type=click.FloatRange(min=0),
        help="Calls a second of all its identities together; 0: the server's limits only. So with the others.",
    ),
    click.option("--concurrency", type=_COUNT, help="Calls in progress."),
    click.option("--streams", type=_COUNT, help="Streams held open."),
    click.option("--keys", type=_COUNT, help="Keys that are not destroyed."),
    click.option("--devices", type=_COUNT, help="Devices that are not revoked."),
    click.option(
        "--channels",
        type=click.Choice(("require", "prefer", "allow")),
        help="Post-quantum TLS: for everything, for what is sensitive, or not asked for.",
    ),
    click.option(
        "--channel-rules",
        "rules_file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help=f"JSON file, for more than a mode: {_RULES_EXAMPLE}",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsGiven:
    """What was said on the command line; None leaves it."""

    quotas: dict[str, Any]
    channels: str | None
    rules_file: Path | None

    def quotas_over(self, before: "Quotas | None") -> "Quotas | None":
        """None: none was given."""
        from hallmark_client.model.tenants import Quotas

        return replace(before or Quotas(), **self.quotas) if self.quotas else None

    def rules_over(self, before: "ChannelRules | None") -> "ChannelRules | None":
        """None: none were given. Raises CommandError."""
        from hallmark_client.model.tenants import ChannelMode, ChannelRules

        if self.channels is not None and self.rules_file is not None:
            raise not_usable("OPTIONS", "--channels and --channel-rules say the same thing: give one of them")
        if self.rules_file is not None:
            return _read_rules(self.rules_file)
        if self.channels is None:
            return None
        return replace(before or ChannelRules(), mode=ChannelMode[self.channels.upper()])


def terms_options(function: Command) -> Command:
    """All of them, handed over as one argument `given`."""

    @functools.wraps(function)
    def command(*, channels: str | None, rules_file: Path | None, **rest: Any) -> Any:
        quotas = {name: value for name in _QUOTAS if (value := rest.pop(name)) is not None}
        return function(given=TermsGiven(quotas=quotas, channels=channels, rules_file=rules_file), **rest)

    decorated: Command = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _read_rules(path: Path) -> "ChannelRules":
    """As `hallmark tenants get --json` prints them. Raises CommandError."""
    try:
        return _rules(json.loads(read_file(path, _FILE_BYTES_MAX)))
    except (ValueError, TypeError, RecursionError) as error:
        raise not_usable(
            "CHANNEL_RULES", f"{path} does not hold channel rules: {error}", f"Such as {_RULES_EXAMPLE}"
        ) from error


def _rules(document: object) -> "ChannelRules":
    """Raises ValueError and TypeError, as all below."""
    from hallmark_client.model.enums import Sensitivity
    from hallmark_client.model.tenants import ChannelMode, ChannelRules

    fields: _Fields = {
        "mode": partial(_word, ChannelMode),
        "classical_sensitivity": partial(_word, Sensitivity),
        "classical_bytes_per_day": _whole_number,
        "triggers": partial(_list, _trigger),
    }
    return ChannelRules(**_read(fields, document))


def _trigger(document: object) -> "ChannelTrigger":
    from hallmark_client.model.enums import Sensitivity
    from hallmark_client.model.tenants import ChannelTrigger

    texts = partial(_list, _text)
    fields: _Fields = {"networks": texts, "regions": texts, "sensitivity": partial(_word, Sensitivity)}
    return ChannelTrigger(**_read(fields, document))


def _read(fields: _Fields, document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise TypeError(f"{json.dumps(document)} is not an object")
    for name in document:
        if name not in fields:
            raise ValueError(f"{json.dumps(name)} is none of {', '.join(fields)}")
    return {name: fields[name](value) for name, value in document.items()}


def _word(kind: type[StrEnum], value: object) -> StrEnum:
    known = {each.name: each for each in kind if each.name != "UNKNOWN"}
    if not isinstance(value, str) or value.upper() not in known:
        raise ValueError(f"{json.dumps(value)} is none of {', '.join(known)}")
    return known[value.upper()]


def _whole_number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _INT64_MAX:
        raise ValueError(f"classical_bytes_per_day is a whole number, not {json.dumps(value)}")
    return value


def _list(each: Callable[[object], Any], value: object) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{json.dumps(value)} is not a list")
    return tuple(map(each, value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{json.dumps(value)} is not text")
    return value
