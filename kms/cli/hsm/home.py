"""Which home folder a command works on, with the settings its server has."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kms.cli.connection import DEFAULT_HOME
from kms.cli.failure import not_usable
from kms.cli.invocation import Command
from kms.config import Config, load_config


def home_options(*, signers: int | None = None) -> Callable[[Command], Command]:
    """--home and --config, handed over as one argument `config`. `signers`: instead of the number in the settings."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(*, home: Path, settings: Path | None, **rest: Any) -> Any:
            config = load_config(settings, overrides={"home": home, "hsm.signers": signers})
            return function(config=config, **rest)

        options = (
            click.option(
                "--home",
                type=click.Path(path_type=Path, file_okay=False),
                envvar="HALLMARK_HOME",
                default=DEFAULT_HOME,
                show_default=True,
                show_envvar=True,
                help="Home folder of the server.",
            ),
            click.option(
                "--config",
                "settings",
                type=click.Path(path_type=Path, dir_okay=False),
                help="The server's settings, as `hallmark serve --config` takes them.",
            ),
        )
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def require_token(config: Config) -> None:
    """Raises CommandError: nothing is made by mistake in a folder that is no home."""
    from kms.app.hsm import has_token

    if not has_token(config):
        advice = "--home says where the server's home is; `hallmark serve` sets a token up at its first start"
        raise not_usable("TOKEN_MISSING", f"no token was set up in {config.path('hsm')}", advice)
