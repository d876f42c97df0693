"""What one invocation of the command line was told about itself: debugging, JSON, which server, as whom."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.profile import Profile

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

ROLES = ("admin", "backend", "auditor", "device")
DEFAULT_HOME = Path("hallmark-data")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which server to talk to, and as whom."""

    home: Path
    role: str
    profile_folder: Path | None

    def profile(self, role: str | None = None) -> "Profile":
        """The client profile that `hallmark serve` wrote. Raises hallmark_client.errors.ProfileInvalid."""
        from hallmark_client.profile import Profile

        return Profile.load(self.profile_folder or self.home / "clients" / (role or self.role))

    def connect(self, *, timeout_seconds: float = 10.0) -> "Client":
        """A client; it connects at its first call."""
        from hallmark_client.client import Client

        return Client(self.profile(), timeout_seconds=timeout_seconds)


def server_options(default_role: str) -> Decorator:
    """--home, --as and --profile, handed over as one argument `server`."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(*, home: Path, role: str, profile: Path | None, **rest: Any) -> Any:
            return function(server=Server(home=home, role=role, profile_folder=profile), **rest)

        options = (
            click.option(
                "--home",
                type=click.Path(path_type=Path, file_okay=False),
                envvar="HALLMARK_HOME",
                default=DEFAULT_HOME,
                show_default=True,
                show_envvar=True,
                help="Home folder of the server on this machine.",
            ),
            click.option(
                "--as",
                "role",
                type=click.Choice(ROLES),
                default=default_role,
                show_default=True,
                help="Identity to use, of those in HOME/clients/.",
            ),
            click.option(
                "--profile",
                type=click.Path(path_type=Path, file_okay=False),
                envvar="HALLMARK_PROFILE",
                show_envvar=True,
                help="Profile folder of a server elsewhere, instead of --home and --as.",
            ),
        )
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
