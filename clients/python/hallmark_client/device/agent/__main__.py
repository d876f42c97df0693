"""Serves a vault to the apps of this device, until SIGTERM or Ctrl-C."""

import argparse
import dataclasses
import functools
import logging
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Final

from hallmark_client.device.agent.accounts import AgentLimits
from hallmark_client.device.agent.agent import Agent
from hallmark_client.device.agent.following import EVERY_SECONDS, EVERY_SECONDS_MIN, Follow, Following
from hallmark_client.device.agent.opening import check_enrolled, opened_root, opened_vault
from hallmark_client.device.agent.peers import Applications, PeerRule
from hallmark_client.device.commands.arguments import TRUST_HELP, add_vault, model_id, seconds, secret_of
from hallmark_client.device.errors import DeviceError
from hallmark_client.device.life import Device, NotEnrolled
from hallmark_client.device.vault import Vault
from hallmark_release.errors import ReleaseError
from hallmark_release.trust import ReleaseTrust

_USAGE: Final = 2
_FAILED: Final = 1
_STOPPED: Final = 130
_EXAMPLE: Final = """\
Example:
  python -m hallmark_client.device.agent --vault /var/lib/hallmark/vault --root tpm2: \\
      --socket /run/hallmark/agent.sock --folder-mode 711 --socket-mode 666 \\
      --app assistant=unit=assistant.service --app camera=uid=1002,exe=/usr/bin/camera

  python -m hallmark_client.device.agent --vault vault --root tpm2: --socket run/agent.sock \\
      --app assistant=uid=1001 --follow example-7b=https://models.example --trust release-trust

What an app may do says the vault's policy, by the name before the first "=".
With --follow the agent updates by itself, where `python -m hallmark_client.device enrol` was done before.
Exit code: 0 it was stopped, 1 it could not start or go on, 2 wrong usage, 130 stopped before it
served.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        applications = dict(asked.app)
        Applications(applications)
    except ValueError as error:
        parser.error(str(error))
    if bool(asked.follow) != (asked.trust is not None):
        parser.error("--follow and --trust belong together: what to follow, and whom to believe")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    _raise_descriptor_limit()
    try:
        if asked.follow:
            check_enrolled(asked.vault)
        with ExitStack() as open_now:
            root = open_now.enter_context(opened_root(asked.vault, asked.root, secret=secret_of(asked)))
            vault = open_now.enter_context(opened_vault(asked.vault, root, tenant=asked.tenant))
            modes = {"folder_mode": asked.folder_mode, "socket_mode": asked.socket_mode}
            agent = Agent(vault, asked.socket, applications, limits=AgentLimits(**dict(asked.limit)), **modes)
            open_now.enter_context(_following(vault, asked))
            serve(agent)
    except (DeviceError, ReleaseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        if isinstance(error, NotEnrolled):
            sys.stderr.write("First: python -m hallmark_client.device enrol --help\n")
        return _FAILED
    except KeyboardInterrupt:  # before it served
        return _STOPPED
    return 0


def _following(vault: Vault | Device, asked: argparse.Namespace) -> AbstractContextManager[object]:
    """Raises TrustUnusable."""
    if not asked.follow:
        return nullcontext()
    assert isinstance(vault, Device), "`check_enrolled` was asked"
    update = functools.partial(vault.update, trust=ReleaseTrust.load(asked.trust))
    return Following(update, [Follow(*each) for each in asked.follow], every=asked.every)


def serve(agent: Agent) -> None:
    """Until SIGTERM or Ctrl-C, which ends in order. Raises AgentUnavailable."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with agent:
            sys.stdout.write(f"serving {agent.path}\n")
            sys.stdout.flush()
            agent.wait()
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hallmark_client.device.agent",
        description=__doc__,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_vault(parser)
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where apps connect")
    parser.add_argument("--app", type=_application, action="append", required=True, metavar="NAME=RULE", help=_APP_HELP)
    parser.add_argument("--limit", type=_limit, action="append", default=[], metavar="NAME=NUMBER", help=_LIMIT_HELP)
    parser.add_argument("--tenant", default="default", help="of the vault, if it is made here (default: default)")
    parser.add_argument("--folder-mode", type=_mode, default=0o700, help="if the folder is made (default: 700)")
    parser.add_argument("--socket-mode", type=_mode, default=0o600, help="who may connect at all (default: 600)")
    follow = parser.add_argument_group("updates")
    follow.add_argument("--follow", type=_follow, action="append", default=[], metavar="MODEL=URL", help=_FOLLOW_HELP)
    follow.add_argument("--trust", type=Path, metavar="DIR", help=TRUST_HELP)
    every = follow.add_argument("--every", type=seconds(EVERY_SECONDS_MIN), default=EVERY_SECONDS, metavar="SECONDS")
    every.help = f"between two looks at each model, {EVERY_SECONDS_MIN:g} or more (default: {EVERY_SECONDS:g})"
    return parser


_FOLLOW_HELP: Final = "keep this model current, from a URL or folder; may be repeated, for an enrolled device"

_APP_HELP: Final = "uid=NUMBER, unit=NAME of systemd, exe=PATH, joined by commas: all must fit; may be repeated"

_LIMITS: Final = tuple(field.name for field in dataclasses.fields(AgentLimits))
_LIMIT_HELP: Final = f"of each app: {', '.join(_LIMITS)}; may be repeated"


def _application(text: str) -> tuple[PeerRule, str]:
    name, _, rule = text.partition("=")
    try:
        return PeerRule.parse(rule), name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _follow(text: str) -> tuple[str, str]:
    model, _, source = text.partition("=")
    if not source:
        raise argparse.ArgumentTypeError(f"{text!r} is not MODEL=URL")
    return model_id(model), source


def _limit(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in _LIMITS or not number.isascii() or not number.isdecimal() or not 1 <= int(number) <= 2**53:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER with one of {', '.join(_LIMITS)}")
    return name, int(number)


def _mode(text: str) -> int:
    if not text.isdecimal() or not set(text) <= set("01234567") or int(text, 8) > 0o777:
        raise argparse.ArgumentTypeError(f"{text!r} is no mode such as 711")
    return int(text, 8)


def _raise_descriptor_limit() -> None:
    """As many readers as the administrator allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
