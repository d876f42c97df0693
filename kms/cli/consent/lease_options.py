"""The options that say how leases behave, as one argument."""

import functools
from collections.abc import Callable
from typing import Any, Final

import click

from kms.cli.consent.choices import ACTIONS
from kms.cli.invocation import Command
from kms.cli.times import SPAN

_OPTIONS: Final = (
    click.option(
        "--lease", "duration", type=SPAN, help="How long a lease holds. Default and most: the removal time, less grace."
    ),
    click.option("--max-staleness", type=SPAN, help="How long a device may go without news. Default: by kind."),
    click.option("--offline-grace", type=SPAN, help="For how much longer it may go on, telling its user. Default: 0."),
    click.option("--on-silence", type=ACTIONS, default="suspend", show_default=True, help="What it does without news."),
    click.option("--on-expiry", type=ACTIONS, default="shred", show_default=True, help="And when its lease ends."),
)


def lease_options() -> Callable[[Command], Command]:
    """--lease, --max-staleness, --offline-grace, --on-silence and --on-expiry, handed over as `lease_terms`."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(*, duration: Any, max_staleness: Any, offline_grace: Any, **rest: Any) -> Any:
            from hallmark_client.model.consents import LeaseAction, LeaseTerms

            terms = LeaseTerms(
                duration=duration,
                max_staleness=max_staleness,
                offline_grace=offline_grace,
                on_silence=LeaseAction[rest.pop("on_silence").upper()],
                on_expiry=LeaseAction[rest.pop("on_expiry").upper()],
            )
            return function(lease_terms=terms, **rest)

        for option in reversed(_OPTIONS):
            command = option(command)
        return command

    return decorate
