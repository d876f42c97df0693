"""Checks an app that serves a bridge: `python -m hallmark_client.device.roots.bridge_conformance SOCKET`.

It seals, opens and ADVANCES THE EPOCH: run it against an app that has no vault behind it.
"""

import argparse
import json
import sys
from pathlib import Path

from hallmark_client.device.errors import RootUnavailable

from .bridge_checks import CHECKS, Asking, check

_EPILOG = """Example: python -m hallmark_client.device.roots.bridge_conformance /run/user/1000/app/bridge.sock
Exit code: 0 every rule holds, 1 a rule is broken or nobody answers, 2 wrong usage. Rules: docs/device-bridge.md."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hallmark_client.device.roots.bridge_conformance",
        description="Checks that an app keeps the bridge protocol. It advances the epoch: use an app without a vault.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("socket", type=Path, help="where the app listens")
    parser.add_argument("--uid", type=int, help="user that the app runs as, if not this one")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for each answer (default 30)")
    parser.add_argument("--json", action="store_true", help='print {"holds": bool, "broken": {rule: why}}')
    given = parser.parse_args(arguments)
    bridge = Asking(given.socket, uid=given.uid, seconds=given.timeout)
    broken: dict[str, str] = {}
    try:
        for name in CHECKS:
            why = check(bridge, name)
            if why is not None:
                broken[name] = why
            if not given.json:
                print(f"{'ok  ' if why is None else 'FAIL'}  {name}{f': {why}' if why else ''}", flush=True)  # noqa: T201
    except RootUnavailable as error:
        broken["answers"] = error.message
        if not given.json:
            print(error, file=sys.stderr)  # noqa: T201
    if given.json:
        print(json.dumps({"holds": not broken, "broken": broken}))  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
