"""Code blocks of docs/, run as they stand: what a newcomer copies has to work."""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(document: str, language: str, *, section: str = "") -> list[str]:
    """Those of a language, in order. section: the heading they stand under; without it, of the whole document."""
    text = (DOCS / document).read_text()
    if section:
        text = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run_python(code: str, folder: Path) -> str:
    """Its output."""
    return _run([sys.executable, "-c", code], folder)


def run_shell(code: str, folder: Path) -> str:
    """Its output. `hallmark` and `python` are those of this environment; the first command that fails ends it."""
    return _run(["sh", "-ec", code], folder)


def environment() -> dict[str, str]:
    """As a new shell has it, with this environment's programs first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HALLMARK")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def _run(command: list[str], folder: Path) -> str:
    ran = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    return ran.stdout
