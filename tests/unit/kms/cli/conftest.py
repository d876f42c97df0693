import pytest

from unit.kms.cli.console import Console


@pytest.fixture
def hallmark(capsys: pytest.CaptureFixture[str]) -> Console:
    """`hallmark(...)` runs a command and gives its exit code and what it wrote."""
    return Console(capsys)
