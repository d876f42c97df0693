"""Options and fixtures every suite shares."""

from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["support.service"]

settings.register_profile("house", deadline=None)  # the machine may be busy: examples are bounded, their time is not
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--vectors", metavar="DIR", help="folder with public vectors and genuine vendor evidence")


@pytest.fixture(scope="session")
def vectors(pytestconfig: pytest.Config) -> Path:
    folder = pytestconfig.getoption("--vectors")
    if folder is None:
        pytest.skip("give --vectors DIR to run against the public vectors")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"--vectors {path} is not a folder")
    return path
