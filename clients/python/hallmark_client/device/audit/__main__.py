"""Verifies an exported audit chain, without the vault and without a network."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hallmark_client.device.audit.errors import AuditBroken
from hallmark_client.device.audit.export import VerifiedExport, verify_export
from hallmark_client.device.audit.record import HASH_SIZE
from hallmark_events.trust import LogTrust
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.vkey import VerifierKey, parse_vkey

_HOLDS: Final = 0
_BROKEN: Final = 1
_USAGE: Final = 2
_EXAMPLE: Final = """\
A chain shows changes only against something known from elsewhere: a head from a
deletion receipt or an earlier look (--head), or the log that it was anchored in
(--log-key, --log-policy). What stands after the last of these can have been cut off.

Example:
  python -m hallmark_client.device.audit audit.jsonl --head 5c0f...e1 --log-key "$(cat log.vkey)"

Exit code: 0 it holds, 1 it is broken, 2 it could not be checked.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        log = _log(asked.log_key, asked.log_policy)
    except (TlogError, OSError) as error:
        parser.error(f"the log's keys can not be read: {error}")
    try:
        with asked.file.open("rb") as file:
            verified = verify_export(file, heads=asked.head, log=log)
    except AuditBroken as error:
        return _tell_broken(error, as_json=asked.json)
    except OSError as error:
        parser.error(f"{asked.file} can not be read: {error.strerror or error}")
    _tell_holds(verified, known=bool(asked.head), as_json=asked.json)
    return _HOLDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hallmark_client.device.audit",
        description=__doc__,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the exported chain (JSON lines)")
    head = parser.add_argument("--head", type=_head, action="append", default=[], metavar="HEX")
    head.help = "a head that the chain must lead through, 64 hexadecimal digits; may be repeated"
    log = parser.add_mutually_exclusive_group()
    log.add_argument("--log-key", action="append", default=[], metavar="VKEY", help="verifier key of the log")
    log.add_argument("--log-policy", type=Path, metavar="POLICY", help="tlog-policy file: the log and its witnesses")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser


def _head(text: str) -> bytes:
    try:
        head = bytes.fromhex(text)
    except ValueError:
        head = b""
    if len(head) != HASH_SIZE:
        raise argparse.ArgumentTypeError(f"a head has {2 * HASH_SIZE} hexadecimal digits")
    return head


def _log(keys: Sequence[str], policy: Path | None) -> LogTrust | None:
    if policy is not None:
        return parse_policy(policy.read_bytes())
    parsed: list[VerifierKey] = [parse_vkey(key.strip()) for key in keys]
    return parsed or None


def _tell_broken(error: AuditBroken, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"holds": False, "number": error.number, "why": error.message}) + "\n")
    else:
        sys.stderr.write(f"BROKEN: {error.message}\n")
    return _BROKEN


def _tell_holds(verified: VerifiedExport, *, known: bool, as_json: bool) -> None:
    if as_json:
        told = {
            "holds": True,
            "start": verified.start.size,
            "size": verified.head.size,
            "head": verified.head.head.hex(),
            "anchored": None if verified.anchored is None else verified.anchored.size,
            "proved": verified.proved,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return
    anchored = verified.anchored
    lines = [f"holds: entries {verified.start.size + 1} to {verified.head.size}, head {verified.head.head.hex()}"]
    if anchored is not None:
        proof = "proved by the log" if verified.proved else "not checked: give --log-key or --log-policy"
        lines.append(f"anchored up to entry {anchored.size}, {proof}")
    if not known and not verified.proved:
        lines.append("compared with nothing from elsewhere: give --head, --log-key or --log-policy")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
