"""Options for what a tenant may use: quotas, channel rules."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import Command
from kms.cli.output import read_file

if TYPE_CHECKING:
    from hallmark_client.model.tenants import ChannelRules, Quotas

_FILE_BYTES_MAX: Final = 64 * 1024
_RULES_EXAMPLE: Final = '{"mode": "PREFER", "triggers": [{"networks": ["10.20.0.0/16"], "sensitivity": "HIGH"}]}'
_QUOTAS: Final = ("rate_per_second", "concurrency", "streams", "keys", "devices")
_OPTIONS: Final[tuple[Callable[[Command], Command], ...]] = (
    click.option(
        "--rate",
        "rate_per_second",
        type=click.FloatRange(min=0),
        help="Calls a second of all its identities together; 0: the server's limits only. So with the others.",
    ),
    click.option("--concurrency", type=click.IntRange(min=0), help="Calls in progress."),
    click.option("--streams", type=click.IntRange(min=0), help="Streams held open."),
    click.option("--keys", type=click.IntRange(min=0), help="Keys that are not destroyed."),
    click.option("--devices", type=click.IntRange(min=0), help="Devices that are not revoked."),
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
    from hallmark_client.model.tenants import ChannelRules

    try:
        document = json.loads(read_file(path, _FILE_BYTES_MAX))
        triggers = tuple(_trigger(each) for each in document.pop("triggers", ()))
        return ChannelRules(**_with_enums(document), triggers=triggers)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise not_usable(
            "CHANNEL_RULES", f"{path} does not hold channel rules: {error}", f"Such as {_RULES_EXAMPLE}"
        ) from error


def _trigger(document: dict[str, Any]) -> Any:
    from hallmark_client.model.tenants import ChannelTrigger

    lists: dict[str, Any] = {name: tuple(document.pop(name, ())) for name in ("networks", "regions")}
    return ChannelTrigger(**lists, **_with_enums(document))


def _with_enums(document: dict[str, Any]) -> dict[str, Any]:
    from hallmark_client.model.enums import Sensitivity
    from hallmark_client.model.tenants import ChannelMode

    kinds = {"mode": ChannelMode, "classical_sensitivity": Sensitivity, "sensitivity": Sensitivity}
    return {name: kinds[name][value.upper()] if name in kinds else value for name, value in document.items()}
