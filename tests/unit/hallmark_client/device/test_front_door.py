"""`hallmark_client.device`: all its names are there, and none is loaded before it is asked for."""

import importlib
import subprocess
import sys

import pytest

import hallmark_client.device as front_door

LOADED = """
import sys
import hallmark_client
before = set(sys.modules)
import hallmark_client.device
print(sorted(set(sys.modules) - before))
from hallmark_client.device import Caller, RootLost
print(sorted(name for name in set(sys.modules) - before if name.startswith(("grpc", "sqlite3", "tuf"))))
"""


def test_it_is_cheap() -> None:
    """What the package above it loads is not its doing."""
    ran = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["['hallmark_client.device']", "[]"]


@pytest.mark.parametrize("name", front_door.__all__)
def test_each_name_is_there(name: str) -> None:
    found = getattr(front_door, name)
    assert found.__name__ == name
    assert found is getattr(importlib.import_module(found.__module__), name)


def test_what_is_not_there() -> None:
    with pytest.raises(ImportError):
        from hallmark_client.device import Devise  # type: ignore[attr-defined]  # noqa: F401


def test_the_table_and_the_list_agree() -> None:
    assert sorted(front_door._PLACE_OF) == sorted(front_door.__all__)
