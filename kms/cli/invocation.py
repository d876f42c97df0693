"""What one invocation of the command line was told about itself: debugging, JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

Command = Callable[..., Any]


@dataclass(slots=True)
class Invocation:
    """Set while options are read, and looked at when something fails."""

    debug: bool = False
    json: bool = False


def _invocation(context: click.Context) -> Invocation:
    found: Invocation = context.find_root().ensure_object(Invocation)
    return found


def _note_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _invocation(context).debug = True


def _note_json(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    if value:
        _invocation(context).json = True
    return value


def debug_option(function: Command) -> Command:
    """--debug: a failure shows its traceback."""
    option = click.option(
        "--debug", is_flag=True, expose_value=False, callback=_note_debug, help="Show tracebacks when something fails."
    )
    return option(function)


def json_option(function: Command) -> Command:
    """--json as the argument `as_json`, and --debug."""
    option = click.option(
        "--json", "as_json", is_flag=True, callback=_note_json, help="Print JSON for programs instead of text."
    )
    return option(debug_option(function))
