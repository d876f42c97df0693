"""What is served is what the sources say: compiling them again gives the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kms.public.auditor_page import PAGE_FOLDER

SOURCES = Path(__file__).resolve().parents[2] / "clients/web"


@pytest.fixture(scope="session")
def tsc() -> str:
    """TypeScript of the very version that package.json names; another one may write other text."""
    wanted = json.loads((SOURCES / "package.json").read_text())["devDependencies"]["typescript"]
    found = os.environ.get("HALLMARK_TSC") or SOURCES / "node_modules/.bin/tsc"
    program = shutil.which(found) or shutil.which("tsc")
    if program is None or shutil.which("node") is None:
        pytest.skip(f"TypeScript {wanted} is not installed: run scripts/build_web.sh, or name it in HALLMARK_TSC")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    if version != wanted:
        pytest.skip(f"TypeScript {version} is installed, the page is compiled with {wanted}")
    return program


def test_the_page_is_what_the_sources_compile_to(tsc: str, tmp_path: Path) -> None:
    command = [tsc, "-p", str(SOURCES / "tsconfig.json"), "--outDir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    compiled = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.js")}
    served = {path.relative_to(PAGE_FOLDER): path.read_bytes() for path in PAGE_FOLDER.rglob("*.js")}
    assert compiled == served, "run scripts/build_web.sh"


def test_every_script_has_a_source() -> None:
    sources = {path.relative_to(SOURCES / "src").with_suffix(".js") for path in (SOURCES / "src").rglob("*.ts")}
    assert sources == {path.relative_to(PAGE_FOLDER) for path in PAGE_FOLDER.rglob("*.js")}
