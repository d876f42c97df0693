"""`python -m hallmark_release`: verify a release or a folder without a service. An exit code for each failed check."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hallmark_release.bundle import BUNDLE_BYTES_MAX, verify_bundle
from hallmark_release.errors import FormatInvalid, ReleaseError, TrustUnusable
from hallmark_release.folder import verify_folder
from hallmark_release.source import open_source
from hallmark_release.trust import ReleaseTrust, parse_ecdsa_key
from hallmark_release.verify import verify_parts, verify_release

STOPPED: Final = 130
_EPOCH_DIGITS: Final = 16

_CODES: Final = """examples:
  python -m hallmark_release verify https://models.example example-7b --trust ./trust --state ./seen --parts
  python -m hallmark_release verify-folder ./example-7b model.sig --key ./trust/statement-ecdsa.pem

exit codes: 0 it holds; 1 its output can not be written; 2 usage; 10 format; 11 another key; 12 ECDSA signature;
13 composite signature; 14 files of different releases; 15 the folder was changed; 16 an encrypted piece;
20 metadata signatures; 21 metadata expired; 22 metadata rolled back; 23 metadata; 24 a listed file;
25 no such release; 30 log; 31 epoch too old; 40 not readable; 41 a file is missing; 42 too slow; 50 folder; 51 trust;
52 state folder; 130 stopped by Ctrl-C"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code = _run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nstopped: nothing is known of what was not compared yet", file=sys.stderr)  # noqa: T201
        return STOPPED
    except OSError as error:  # of our own output only: what is read has its own errors
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is written, not even at exit
        if not isinstance(error, BrokenPipeError):
            print(f"the result can not be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        return ReleaseError.exit_code
    return code


def _run(options: argparse.Namespace) -> int:
    try:
        facts = options.run(options)
    except ReleaseError as error:
        if options.json:
            told = {"reason": error.reason, "message": str(error), "advice": error.advice}
            print(json.dumps({"verified": False, **told}))  # noqa: T201
        print(f"not verified: {error} [{error.reason}]", file=sys.stderr)  # noqa: T201
        if error.advice:
            print(f"              {error.advice}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    if options.json:
        print(json.dumps({"verified": True, **facts}))  # noqa: T201
    else:
        print("it holds:")  # noqa: T201
        print("\n".join(f"  {name.replace('_', ' ')}: {value}" for name, value in facts.items()))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hallmark_release",
        description="Verify model releases offline.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="the current release of a model in a repository",
        epilog="example: python -m hallmark_release verify ./repository example-7b --trust ./trust --parts",
    )
    verify.add_argument("repository", help="a folder, or an http(s) URL")
    verify.add_argument("model", help="its name in the repository, such as example-7b")
    verify.add_argument("--trust", type=Path, required=True, help="folder with root.json, two keys and log.policy")
    verify.add_argument("--minimum-epoch", type=_epoch, default=0, help="the smallest that you still accept; default 0")
    verify.add_argument("--state", type=Path, help="folder of what was seen; without it a rollback is not noticed")
    verify.add_argument("--now", type=_moment, default=datetime.now(UTC), help="RFC 3339; default: the system's clock")
    verify.add_argument("--parts", action="store_true", help="fetch and check every encrypted part too")
    verify.add_argument("--json", action="store_true", help="one JSON object on standard output")
    verify.set_defaults(run=_verify)
    folder = commands.add_parser(
        "verify-folder",
        help="a folder of plaintext files against its OpenSSF Model Signing bundle",
        epilog="example: python -m hallmark_release verify-folder ./model model.sig --key statement-ecdsa.pem",
    )
    folder.add_argument("folder", type=Path, help="the plaintext, as it was released")
    folder.add_argument("bundle", type=Path, help="model.sig; inside the folder it is not counted")
    folder.add_argument("--key", type=Path, required=True, help="PEM of the ECDSA P-256 key that signs statements")
    folder.add_argument("--json", action="store_true", help="one JSON object on standard output")
    folder.set_defaults(run=_verify_folder)
    return parser


def _verify(options: argparse.Namespace) -> dict[str, Any]:
    source = open_source(options.repository)
    release = verify_release(
        source,
        options.model,
        ReleaseTrust.load(options.trust),
        now=options.now,
        minimum_epoch=options.minimum_epoch,
        state=options.state,
    )
    facts: dict[str, Any] = {
        "release": release.name,
        "version": release.index.release.version,
        "epoch": release.index.release.epoch,
        "files": len(release.index.parts),
        "bytes": release.index.size,
        "log": f"{release.log.origin} entry {release.log.leaf_index}",
        "witnesses": len(release.log.cosigners),
        "fresh_until": release.freshness.expires.isoformat(),
    }
    if options.parts:
        with _progress("comparing", release.index.encrypted_size) as progress:
            facts["encrypted_bytes_checked"] = verify_parts(source, release, progress).size
    return facts


def _verify_folder(options: argparse.Namespace) -> dict[str, Any]:
    key = parse_ecdsa_key(_read(options.key, 64 * 1024))
    try:
        statement = verify_bundle(_read(options.bundle, BUNDLE_BYTES_MAX), key)
    except FormatInvalid as error:
        raise FormatInvalid(str(error), advice=_WHICH_BUNDLE) from error
    folder, bundle = (Path(os.path.realpath(each)) for each in (options.folder, options.bundle))
    inside = (bundle.relative_to(folder).as_posix(),) if bundle.is_relative_to(folder) else ()
    with _progress("hashing", sum(file.size for file in statement.files)) as progress:
        verified = verify_folder(options.folder, statement, ignore_paths=inside, progress=progress)
    return {"model": statement.release.model, "files": verified.files, "bytes": verified.size}


_WHICH_BUNDLE: Final = "Give model.sig of the release; model.files.sig is for `model_signing verify key`"


@contextmanager
def _progress(what: str, size: int) -> Iterator[Callable[[int], None]]:
    """Percents on a terminal, nothing anywhere else."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        before, done = done * 100 // max(size, 1), done + count
        if sys.stderr.isatty() and done * 100 // max(size, 1) != before:
            print(f"\r{what} {min(done * 100 // max(size, 1), 100):3d} %", end="", file=sys.stderr, flush=True)  # noqa: T201

    try:
        yield advance
    finally:
        if sys.stderr.isatty():
            print(f"\r{' ' * (len(what) + 6)}\r", end="", file=sys.stderr, flush=True)  # noqa: T201


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise TrustUnusable(f"{path} can not be read: {error.strerror}") from error


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no time with its zone, such as 2026-11-22T10:00:00Z")


def _epoch(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > _EPOCH_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no epoch: a whole number from 0 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
