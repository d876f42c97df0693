"""A device by itself: enrolled with its service, updated, kept in line. Programs use hallmark_client.device instead."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hallmark_client.device.commands import acts
from hallmark_client.device.commands.arguments import TRUST_HELP, add_vault, model_id, seconds
from hallmark_client.device.commands.telling import STOPPED, Told, tell, tell_failure
from hallmark_client.errors import HallmarkError
from hallmark_release.errors import ReleaseError

WORK_SECONDS: Final = 60.0
_PROGRAM: Final = "python -m hallmark_client.device"
_EPILOG: Final = f"""\
Example:
  {_PROGRAM} enrol --vault vault --root tpm2: --service clients/device --allow assistant
  {_PROGRAM} update example-7b --vault vault --root tpm2: \\
      --from https://models.example --trust release-trust
  {_PROGRAM} status --vault vault --root tpm2: --json

For several apps: python -m hallmark_client.device.agent --help.
Exit code: 0 done, 1 refused or not possible now, 2 wrong usage, 130 stopped by Ctrl-C.
"""
_ENROL: Final = f"""\
Example: {_PROGRAM} enrol --vault vault --root tpm2: --service clients/device --allow assistant

A TPM or a bridge vouches for the device; with any other root nothing does, and the service's policy has to take
devices in software. Running it again is fine: an enrolled device says its name and asks nobody.
"""
_STATUS: Final = f"""\
Example: {_PROGRAM} status --vault vault --root tpm2:
"""
_UPDATE: Final = f"""\
Example: {_PROGRAM} update example-7b --vault vault --root tpm2: \\
             --from https://models.example --trust release-trust

Signatures, log, freshness and epoch are checked before anything is fetched; apps see all of it or nothing. What was
fetched before it was stopped is not fetched again.
"""
_WORK: Final = f"""\
Example: {_PROGRAM} work --vault vault --root tpm2: --seconds 120

For devices that a timer wakes: hears both feeds, deletes what it was told to, sends receipts, renews the certificate.
Exit code 1: the service was not heard, or something is left to do.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return tell(asked.act(asked), as_json=asked.json)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped: nothing is lost, the same command goes on from here\n")
        return STOPPED
    except (HallmarkError, ReleaseError, OSError) as error:
        return tell_failure(error, as_json=asked.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description=__doc__, epilog=_EPILOG, formatter_class=_AS_WRITTEN)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    enrol = _command(commands, "enrol", "first boot: register with the service", _ENROL, acts.enrol)
    enrol.add_argument("--service", type=Path, required=True, metavar="DIR", help="profile folder of role `device`")
    readers = enrol.add_mutually_exclusive_group()
    readers.add_argument("--allow", action="append", default=[], metavar="APPLICATION", help=_ALLOW_HELP)
    readers.add_argument("--policy", type=Path, metavar="FILE", help="who may do what in a new vault, in JSON")
    _command(commands, "status", "how it stands with the service, and what is here", _STATUS, acts.status)
    update = _command(commands, "update", "bring a model to its current release", _UPDATE, acts.update)
    update.add_argument("model", type=model_id, metavar="MODEL", help="its name in the repository")
    update.add_argument("--from", dest="source", required=True, metavar="URL|DIR", help="the repository")
    update.add_argument("--trust", type=Path, required=True, metavar="DIR", help=TRUST_HELP)
    update.add_argument("--consent", default="", metavar="NAME", help="to acquire a lease from, if it needs one")
    work = _command(commands, "work", "one round of life, for devices that a timer wakes", _WORK, acts.work)
    patience = work.add_argument("--seconds", type=seconds(1), default=WORK_SECONDS, metavar="NUMBER")
    patience.help = f"to hear the service in, at most (default: {WORK_SECONDS:g})"
    return parser


_ALLOW_HELP: Final = "may do everything in a new vault; may be repeated"
_AS_WRITTEN: Final = argparse.RawDescriptionHelpFormatter


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    purpose: str,
    epilog: str,
    act: Callable[[argparse.Namespace], Told],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=purpose, description=f"{purpose.capitalize()}.", epilog=epilog, formatter_class=_AS_WRITTEN
    )
    add_vault(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(act=act)
    return parser


if __name__ == "__main__":
    sys.exit(main())
