"""The library of clients/web in Node, as it is compiled for the page: nothing from npm is needed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kms.public.auditor_page import PAGE_FOLDER
from web.published_log import PublishedLog, make_entry

HERE = Path(__file__).parent
NODE_MAJOR_MIN = 20


@pytest.fixture(scope="session")
def node() -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < NODE_MAJOR_MIN:
        pytest.skip(f"node {version.strip()} is older than {NODE_MAJOR_MIN}")
    return program


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy where Node takes `.js` for ES modules, as a browser does."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(PAGE_FOLDER / "tlog", folder / "tlog")
    (folder / "package.json").write_text('{"type": "module"}\n')
    return folder / "tlog" / "index.js"


def run_tests(node: str, script: str, **variables: Path) -> None:
    environment = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in variables.items()}}
    command = [node, "--no-warnings", "--test", "--test-reporter=spec", str(HERE / script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 0" not in done.stdout, "nothing ran"


def test_trees_notes_and_bad_bytes(node: str, library: Path, tmp_path: Path) -> None:
    PublishedLog(tmp_path).publish([make_entry(index) for index in range(600)], timestamp=1_795_000_000)
    run_tests(node, "library.test.mjs", TLOG_LIBRARY=library, TLOG_LOG=tmp_path)


def test_public_vectors(node: str, library: Path, vectors: Path) -> None:
    if not (vectors / "tlog").is_dir():
        pytest.skip("the --vectors folder has no tlog")
    run_tests(node, "vectors.test.mjs", TLOG_LIBRARY=library, TLOG_VECTORS=vectors / "tlog")
