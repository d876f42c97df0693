"""What command lines of a device have in common: how their arguments are read, and which have the same name."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hallmark_client.device.roots.choose import EXAMPLES, Ask, secret_file
from hallmark_release.errors import FormatInvalid
from hallmark_release.names import checked_id

SECONDS_MAX: Final = 366 * 86_400
TRUST_HELP: Final = "whom to believe, from the publisher over a safe way: root.json, two keys, log.policy"


def add_vault(parser: argparse.ArgumentParser) -> None:
    """--vault, --root, --secret-file."""
    parser.add_argument("--vault", type=Path, required=True, metavar="DIR", help="of a vault or an enrolled device")
    parser.add_argument("--root", required=True, metavar="SPEC", help=f"its root of trust: {EXAMPLES}")
    parser.add_argument("--secret-file", type=Path, metavar="FILE", help="passphrase or PIN; mode 0600")


def secret_of(asked: argparse.Namespace) -> Ask | None:
    return None if asked.secret_file is None else secret_file(asked.secret_file)


def model_id(text: str) -> str:
    """Raises ArgumentTypeError."""
    try:
        return checked_id(text, f"MODEL {text!r}")
    except FormatInvalid as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(least: float) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= SECONDS_MAX:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, {least:g} or more")
        return float(text)

    return parsed
