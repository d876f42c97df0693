"""Options for what an owner decides about a key: labels, rotation, limits, waiting, export, sensitivity, gate."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from kms.cli.gate_settings import GateGiven, gate_options
from kms.cli.invocation import Command
from kms.cli.key_choices import SENSITIVITIES
from kms.cli.times import MOMENT, SPAN

if TYPE_CHECKING:
    from hallmark_client.model.keys import Key

_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option("--rotate-every", type=SPAN, metavar="SPAN", help="A new version each 30d, 12h, ...; 0: on demand."),
    click.option("--lead", type=SPAN, metavar="SPAN", help="How long its public key is known before it signs."),
    click.option(
        "--verify-tail", type=SPAN, metavar="SPAN", help="How long it stays in the trust bundle after; 0: for ever."
    ),
    click.option("--max-per-second", type=click.IntRange(0), help="Uses a second, for each replica; 0: no limit."),
    click.option("--max-uses", type=click.IntRange(0), help="Uses in all, counted exactly; 0: no limit."),
    click.option("--not-after", type=MOMENT, help="No use after this time."),
    click.option(
        "--destroy-wait", type=SPAN, metavar="SPAN", help="Time between `destroy` and the end: 1d to 120d, default 30d."
    ),
    click.option(
        "--export", "export_policy", type=click.Choice(("never", "wrapped")), help="Can only be made stricter later."
    ),
    click.option(
        "--sensitivity",
        type=click.Choice(SENSITIVITIES),
        help="What channel rules and access policies go by; default: standard. Lowering it loosens.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsGiven:
    """What was said on the command line; None leaves it."""

    rotate_every: timedelta | None
    lead: timedelta | None
    verify_tail: timedelta | None
    max_per_second: int | None
    max_uses: int | None
    not_after: datetime | None
    destroy_wait: timedelta | None
    export_policy: str | None
    sensitivity: str | None
    gate: GateGiven

    def arguments(self, key: "Key | None" = None) -> dict[str, Any]:
        """For `client.keys.create` and `update`; what stays as it is comes from `key`."""
        from hallmark_client.model.keys import RotationPolicy, UsageLimits

        rotation = {"period": self.rotate_every, "publish_lead": self.lead, "verify_tail": self.verify_tail}
        limits = {"per_second": self.max_per_second, "total": self.max_uses, "not_after": self.not_after}
        found: dict[str, Any] = {
            "destroy_wait": self.destroy_wait,
            "export_policy": self.export_policy,
            "sensitivity": self.sensitivity,
        }
        if given := _said(rotation):
            none = {name: None for name in ("period", "verify_tail") if given.get(name) == timedelta(0)}
            found["rotation"] = replace(RotationPolicy() if key is None else key.rotation, **{**given, **none})
        if given := _said(limits):
            none = {name: None for name, value in given.items() if not value}
            found["usage_limits"] = replace(UsageLimits() if key is None else key.usage_limits, **{**given, **none})
        found["attestation_gate"] = self.gate.argument(None if key is None else key.attestation_gate)
        return _said(found)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def settings_options(function: Command) -> Command:
    """The options above, handed over as one argument `settings`."""

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        names = SettingsGiven.__dataclass_fields__
        settings = SettingsGiven(**{name: given.pop(name) for name in names})
        return function(settings=settings, **given)

    decorated: Command = command
    decorated = gate_options(decorated)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def read_labels(pairs: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE, several times. Raises BadParameter."""
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--label")
        labels[name] = value
    return labels
