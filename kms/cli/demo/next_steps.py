"""What to try after the demonstration. tests/rpc/cli runs every one of these commands."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NextStep:
    command: str
    purpose: str


def next_steps(program: str | None = None) -> Sequence[NextStep]:
    """In an order that works. program: how to call this one; found out by itself."""
    hallmark, file = program or program_name(), _some_file()
    return (
        NextStep(f"{hallmark} serve", "start a server that stays; leave it running and open another terminal"),
        NextStep(f"{hallmark} keys create manifest", "make a hybrid key in its HSM"),
        NextStep(f"{hallmark} sign {file} --key manifest --proof", "sign a file, and get the log's proof"),
        NextStep(f"{hallmark} keys public manifest --output manifest.pem", "take what a verifier needs"),
        NextStep(f"{hallmark} verify {file} --key manifest.pem", "verify offline; then change the file, and again"),
        NextStep(f"{hallmark} log keys --output log.vkey", "take what an auditor needs"),
        NextStep(
            f"{hallmark} log verify --public hallmark-data/public --vkey log.vkey --since last.checkpoint",
            "audit the log, today and tomorrow",
        ),
        NextStep(f"{hallmark} watch", "follow revocations; leave it running and open another terminal"),
        NextStep(f"{hallmark} revoke manifest --reason superseded", "see it arrive where you watch"),
        NextStep(
            f"{hallmark} release init", "make the keys and the repository of releases; it says how to publish one"
        ),
        NextStep(f"{hallmark} consent demo", "see a permission taken back from phones, with proof, in about a minute"),
        NextStep(f"{hallmark} bench sign", "measure signatures a second on this machine"),
    )


def _some_file() -> str:
    """One that is here to be signed."""
    files = sorted(path.name for path in Path.cwd().iterdir() if path.is_file() and not path.name.startswith("."))
    return "README.md" if "README.md" in files else shlex.quote(next(iter(files), "FILE"))


def program_name() -> str:
    """As it can be typed in this folder: `hallmark` when it is on the path, else the one beside our interpreter."""
    beside = Path(sys.executable).parent / "hallmark"
    on_path = shutil.which("hallmark")
    if on_path is not None and Path(on_path).samefile(beside if beside.exists() else on_path):
        return "hallmark"
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m kms.cli.main"
    return shlex.quote(str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside))
