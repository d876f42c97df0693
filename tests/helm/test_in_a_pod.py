"""The chart's trial settings serve where a pod has nothing: no rights, no root, a file system that is read only."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helm.tools import of_kind, rendered
from hsm.errors import ModuleNotFound
from hsm.pkcs11.settings import resolve_module
from peers.tools import run

SCRIPT = Path(__file__).with_name("in_a_pod.sh")


def test_it_serves_without_root_on_a_read_only_file_system() -> None:
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "--net", "true"], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("this machine makes no namespaces for us (unshare)")
    try:
        resolve_module(None)
    except ModuleNotFound as error:
        pytest.skip(str(error))
    (settings,) = of_kind(rendered("minimal"), "ConfigMap")
    programs = Path(sys.executable).parent
    outcome = run("sh", SCRIPT, programs, stdin=settings["data"]["hallmark.toml"].encode(), seconds=90)
    said = outcome.must_succeed().split("\n")
    assert [line for line in said if line] == [
        "user 10001", "root-is-read-only", "ready", "key-made", "log-published", "guarded", "ended",
    ]  # fmt: skip
