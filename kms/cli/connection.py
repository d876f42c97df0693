"""Which server a command talks to, and as whom."""

import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import CommandError, ExitCode
from kms.cli.invocation import Command

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.profile import Profile

ROLES: Final = ("admin", "backend", "auditor", "device")
DEFAULT_HOME: Final = Path("hallmark-data")
_KNOCK_SECONDS: Final = 3.0


class _Role(click.Choice[str]):
    """The identities that every server has; those of server.admins are profiles."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        known = super().get_invalid_choice_message(value, ctx)
        return f"{known} A further admin (server.admins) is named by a folder: --profile HOME/clients/{value}"


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

    def connect(self, *, patient: bool = False) -> "Client":
        """A client. Unless patient, a server that is not there is said at once: nobody waits at a terminal while the
        client tries again. Raises CommandError (SERVER_NOT_THERE), ProfileInvalid.
        """
        from hallmark_client.client import Client

        profile = self.profile()
        if not patient:
            _knock(profile.address)
        return Client(profile)


def _knock(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "it does not answer"
        raise CommandError(
            "SERVER_NOT_THERE",
            f"there is no server at {address}: {problem}",
            exit_code=ExitCode.NOT_REACHABLE,
            advice="`hallmark serve` starts one; --home or --profile says which one is meant",
        ) from error


def server_options(default_role: str) -> Callable[[Command], Command]:
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
                type=_Role(ROLES),
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
