"""liboqs is never imported before its library was found, and never installs anything.

Run in fresh interpreters: an import cannot be undone, and the guard is about the import.
"""

import ctypes.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hallmark_composite import MlDsaParameterSet
from hsm.engine import EngineUnavailable
from hsm.engines import liboqs
from hsm.engines.openssl import OpenSslEngine

WITHOUT_LIBRARY = """
import os, sys
from pathlib import Path
from hsm.engines import liboqs
from hsm.engines.discovery import discover
liboqs.built_here = lambda: Path("/nowhere")    # as if `make liboqs` had not been run
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
def test_a_file_that_is_no_library_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liboqs, "built_here", lambda: tmp_path / "nowhere")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "liboqs.so").write_text("not a library")
    with pytest.raises(EngineUnavailable, match="make liboqs"):
        liboqs.find_library({"OQS_INSTALL_PATH": str(tmp_path)})


@pytest.fixture
def engine() -> liboqs.LibOqsEngine:
    try:
        return liboqs.LibOqsEngine(os.environ)
    except EngineUnavailable as error:
        pytest.skip(str(error))


def test_the_environment_is_left_as_it_was(engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    liboqs.LibOqsEngine(os.environ)
    assert dict(os.environ) == before


def test_keys_of_several_threads_do_not_mix(engine) -> None:
    """The source of randomness is one for the whole process; each thread's seed is its own."""
    seeds = [bytes((number,)) * 32 for number in range(16)]
    right = [OpenSslEngine().load(MlDsaParameterSet.ML_DSA_44, seed).public_key for seed in seeds]

    def load_and_sign(seed: bytes) -> bytes:
        for _ in range(20):
            key = engine.load(MlDsaParameterSet.ML_DSA_44, seed)
            key.sign(b"message", b"")
        return key.public_key

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(load_and_sign, seeds)) == right


def test_two_keys_from_one_seed_sign_with_fresh_randomness(engine) -> None:
    keys = [engine.load(MlDsaParameterSet.ML_DSA_65, bytes(32)) for _ in range(2)]
    assert len({key.sign(b"message", b"") for key in keys * 4}) == 8


def test_the_library_draws_from_the_system_when_no_seed_is_served(engine) -> None:
    """A key pair made without a seed is a new one, also right after one was made with a seed."""
    import oqs

    engine.load(MlDsaParameterSet.ML_DSA_44, bytes(32))
    with oqs.Signature("ML-DSA-44") as first, oqs.Signature("ML-DSA-44") as second:
        made = {first.generate_keypair(), second.generate_keypair()}
    assert len(made) == 2
    assert engine.load(MlDsaParameterSet.ML_DSA_44, bytes(32)).public_key not in made
