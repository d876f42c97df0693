"""Serves a vault to the apps of this device, until SIGTERM or Ctrl-C."""

import argparse
import dataclasses
import logging
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hallmark_client.device.agent.accounts import AgentLimits
from hallmark_client.device.agent.agent import Agent
from hallmark_client.device.agent.opening import opened_root, opened_vault
from hallmark_client.device.agent.peers import Applications, PeerRule
from hallmark_client.device.errors import DeviceError
from hallmark_client.device.roots.choose import EXAMPLES, secret_file

_USAGE: Final = 2
_FAILED: Final = 1
_EXAMPLE: Final = f"""\
Example:
  python -m hallmark_client.device.agent --vault /var/lib/hallmark/vault --root tpm2: \\
      --socket /run/hallmark/agent.sock --folder-mode 711 --socket-mode 666 \\
      --app assistant=unit=assistant.service --app camera=uid=1002,exe=/usr/bin/camera

Roots of trust: {EXAMPLES}.
What an app may do says the vault's policy, by the name before the first "=".
Exit code: 0 it was stopped, 1 it could not start or go on, 2 wrong usage.
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
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    _raise_descriptor_limit()
    secret = None if asked.secret_file is None else secret_file(asked.secret_file)
    try:
        with ExitStack() as open_now:
            root = open_now.enter_context(opened_root(asked.vault, asked.root, secret=secret))
            vault = open_now.enter_context(opened_vault(asked.vault, root, tenant=asked.tenant))
            modes = {"folder_mode": asked.folder_mode, "socket_mode": asked.socket_mode}
            serve(Agent(vault, asked.socket, applications, limits=AgentLimits(**dict(asked.limit)), **modes))
    except (DeviceError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _FAILED
    return 0


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
    parser.add_argument("--vault", type=Path, required=True, metavar="DIR", help="of a vault or an enrolled device")
    parser.add_argument("--root", required=True, metavar="SPEC", help="its root of trust")
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where apps connect")
    parser.add_argument("--app", type=_application, action="append", required=True, metavar="NAME=RULE", help=_APP_HELP)
    parser.add_argument("--limit", type=_limit, action="append", default=[], metavar="NAME=NUMBER", help=_LIMIT_HELP)
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="passphrase or PIN; mode 0600")
    parser.add_argument("--tenant", default="default", help="of the vault, if it is made here (default: default)")
    parser.add_argument("--folder-mode", type=_mode, default=0o700, help="if the folder is made (default: 700)")
    parser.add_argument("--socket-mode", type=_mode, default=0o600, help="who may connect at all (default: 600)")
    return parser


_APP_HELP: Final = "uid=NUMBER, unit=NAME of systemd, exe=PATH, joined by commas: all must fit; may be repeated"

_LIMITS: Final = tuple(field.name for field in dataclasses.fields(AgentLimits))
_LIMIT_HELP: Final = f"of each app: {', '.join(_LIMITS)}; may be repeated"


def _application(text: str) -> tuple[PeerRule, str]:
    name, _, rule = text.partition("=")
    try:
        return PeerRule.parse(rule), name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
