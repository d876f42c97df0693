"""liboqs is never imported before its library was found, and never installs anything.

Run in fresh interpreters: an import cannot be undone, and the guard is about the import.
"""

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hsm.engine import EngineUnavailable
from hsm.engines.liboqs import find_library

WITHOUT_LIBRARY = """
import os, sys
from hsm.engines.discovery import discover
engines, unavailable = discover(os.environ)
print([engine.name for engine in engines], [fact.name for fact in unavailable], "oqs" in sys.modules)
"""
IMPORT_ANYWAY = """
import os, sys
from hsm.engine import EngineUnavailable
from hsm.engines import liboqs
liboqs.find_library = lambda environ: None      # as if the library vanished between the search and the import
try:
    liboqs.import_oqs(os.environ)
except EngineUnavailable as error:
    print(error)
"""


def run(code: str, tmp_path: Path, **environ: str) -> str:
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "HOME": str(tmp_path), "PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.fixture
def tempting_git(tmp_path: Path) -> Path:
    """A `git` that leaves a trace when anybody runs it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    trace = tmp_path / "git-was-run"
    (folder / "git").write_text(f"#!/bin/sh\ntouch {trace}\nexit 1\n")
    (folder / "git").chmod(0o755)
    return trace


needs_absence = pytest.mark.skipif(
    ctypes.util.find_library("oqs") is not None, reason="a system-wide liboqs is installed"
)


@needs_absence
def test_without_the_library_oqs_is_not_even_imported(tmp_path: Path, tempting_git: Path) -> None:
    output = run(WITHOUT_LIBRARY, tmp_path, OQS_INSTALL_PATH=str(tmp_path / "nowhere"))
    assert output.split() == ["['cryptography',", "'pycryptodome']", "['liboqs']", "False"]
    assert not tempting_git.exists()


@needs_absence
def test_an_import_without_the_library_installs_nothing(tmp_path: Path, tempting_git: Path) -> None:
    output = run(IMPORT_ANYWAY, tmp_path, OQS_INSTALL_PATH=str(tmp_path / "nowhere"))
    assert "liboqs-python cannot use the library" in output
    assert not tempting_git.exists()
    assert not (tmp_path / "_oqs").exists()


@needs_absence
def test_a_file_that_is_no_library_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "liboqs.so").write_text("not a library")
    with pytest.raises(EngineUnavailable, match="OQS_INSTALL_PATH"):
        find_library({"OQS_INSTALL_PATH": str(tmp_path)})
