"""`python -m hallmark_release`: verify a release or a folder without a service. An exit code for each failed check."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hallmark_release.bundle import BUNDLE_BYTES_MAX, verify_bundle
from hallmark_release.errors import ReleaseError, TrustUnusable
from hallmark_release.folder import verify_folder
from hallmark_release.source import open_source
from hallmark_release.trust import ReleaseTrust, parse_ecdsa_key
from hallmark_release.verify import verify_parts, verify_release

USAGE: Final = 2

_CODES: Final = """exit codes: 0 it holds; 2 usage; 10 format; 11 another key; 12 ECDSA signature;
13 composite signature; 14 files of different releases; 15 the folder was changed; 16 an encrypted piece;
20 metadata signatures; 21 metadata expired; 22 metadata rolled back; 23 metadata; 24 a listed file;
25 no such release; 30 log; 31 epoch too old; 40 not readable; 41 a file is missing; 42 too slow; 50 folder; 51 trust;
52 state folder"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives the exit code."""
    options = _parser().parse_args(arguments)
    try:
        facts = options.run(options)
    except ReleaseError as error:
        if options.json:
            print(json.dumps({"verified": False, "reason": error.reason, "message": str(error)}))  # noqa: T201
        print(f"not verified: {error} [{error.reason}]", file=sys.stderr)  # noqa: T201
        if error.advice:
            print(f"              {error.advice}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    if options.json:
        print(json.dumps({"verified": True, **facts}))  # noqa: T201
    else:
        print("\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items()))  # noqa: T201
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
    verify.add_argument("model")
    verify.add_argument("--trust", type=Path, required=True, help="folder with root.json, two keys and log.policy")
    verify.add_argument("--minimum-epoch", type=int, default=0)
    verify.add_argument("--state", type=Path, help="folder of what was seen; without it a rollback is not noticed")
    verify.add_argument("--now", type=_moment, default=datetime.now(UTC), help="RFC 3339; default: the system's clock")
    verify.add_argument("--parts", action="store_true", help="fetch and check every encrypted part too")
    verify.add_argument("--json", action="store_true")
    verify.set_defaults(run=_verify)
    folder = commands.add_parser(
        "verify-folder",
        help="a folder of plaintext files against its OpenSSF Model Signing bundle",
        epilog="example: python -m hallmark_release verify-folder ./model model.sig --key statement-ecdsa.pem",
    )
    folder.add_argument("folder", type=Path)
    folder.add_argument("bundle", type=Path)
    folder.add_argument("--key", type=Path, required=True, help="PEM of the ECDSA P-256 key that signs statements")
    folder.add_argument("--json", action="store_true")
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
        facts["encrypted_bytes_checked"] = verify_parts(source, release).size
    return facts


def _verify_folder(options: argparse.Namespace) -> dict[str, Any]:
    key = parse_ecdsa_key(_read(options.key, 64 * 1024))
    statement = verify_bundle(_read(options.bundle, BUNDLE_BYTES_MAX), key)
    folder, bundle = (Path(os.path.realpath(each)) for each in (options.folder, options.bundle))
    inside = (bundle.relative_to(folder).as_posix(),) if bundle.is_relative_to(folder) else ()
    verified = verify_folder(options.folder, statement, ignore_paths=inside)
    return {"model": statement.release.model, "files": verified.files, "bytes": verified.size}


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise TrustUnusable(f"{path} can not be read: {error.strerror}") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
