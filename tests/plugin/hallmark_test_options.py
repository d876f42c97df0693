"""The option --vectors DIR: public vectors and genuine vendor evidence, which are no part of this project.

pytest reads an option's separate value as a path to tests until it knows the option, and then looks for its settings
there. So this is an installed plugin, and when the settings were missed it starts pytest again with them named.
"""

import os
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
AREAS = {"attestation", "crypto", "status-list", "tlog"}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    parser.addoption("--vectors", metavar="DIR", help="folder with public vectors and genuine vendor evidence")
    config = pluginmanager.get_plugin("pytestconfig")
    inside = Path.cwd() == PROJECT or PROJECT in Path.cwd().parents
    asked = any(argument.startswith("--vectors") for argument in sys.argv)
    if isinstance(config, pytest.Config) and config.inipath is None and inside and asked:
        command = [sys.executable, "-m", "pytest", "-c", str(PROJECT / "pyproject.toml"), *sys.argv[1:]]
        os.execv(sys.executable, command)  # before pytest captures the output


def vectors_folder(config: pytest.Config) -> Path | None:
    """The folder that holds attestation/, crypto/ and tlog/; one of these may be named instead of it."""
    folder = config.getoption("--vectors")
    if folder is None:
        return None
    path = Path(folder).resolve()
    return path.parent if path.name in AREAS else path


@pytest.fixture(scope="session")
def vectors(pytestconfig: pytest.Config) -> Path:
    path = vectors_folder(pytestconfig)
    if path is None:
        pytest.skip("give --vectors DIR to run against the public vectors")
    if not path.is_dir():
        pytest.skip(f"--vectors {path} is not a folder")
    return path
