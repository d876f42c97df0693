"""pqc-enclave-sdk's own tests and examples, unchanged, over this SDK; and what its README promises."""

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import hallmark_client.compat.pqc_enclave_sdk as ours
from hallmark_client.compat.pqc_enclave_sdk import EnclaveVault, InMemoryEnclaveBackend
from kms.cli.bench.vault_measure import VaultPlan, measure_vault
from kms.cli.bench.vault_peer import Peer
from kms.cli.bench.vault_report import KIB_256

HERE = Path(__file__).parent
OURS = Path(ours.__file__).parent
TESTS = 32
EXAMPLES = ("device_attestation.py", "store_credentials.py", "store_model_weights.py")


def run_as_peer(peer: Peer, **what: str) -> dict[str, Any]:
    request = json.dumps({"wheels": [str(wheel) for wheel in peer.wheels], **what})
    command = [sys.executable, "-P", str(HERE / "as_peer.py"), request]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told | {"printed": done.stdout}


def assert_ours(told: dict[str, Any]) -> None:
    assert told["files"]
    assert all(Path(file).is_relative_to(OURS) for file in told["files"])


def test_all_its_tests_pass_unchanged(peer: Peer, tmp_path: Path) -> None:
    folder = peer.unpack("tests", tmp_path)
    assert not (folder.parent / "src").exists()
    told = run_as_peer(peer, tests=str(folder))
    assert told["outcomes"] == {"passed": TESTS}, told["printed"]
    assert told["status"] == 0
    assert_ours(told)


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_examples_run_unchanged(peer: Peer, tmp_path: Path, name: str) -> None:
    folder = peer.unpack("examples", tmp_path)
    assert sorted(file.name for file in folder.iterdir()) == sorted(EXAMPLES)
    told = run_as_peer(peer, script=str(folder / name))
    assert_ours(told)
    if name == "device_attestation.py":
        assert "valid=True" in told["printed"]
        assert "valid_after_tamper=False" in told["printed"]


def test_every_name_it_exports_is_here(peer: Peer, tmp_path: Path) -> None:
    text = (peer.unpack("src", tmp_path) / "pqc_enclave_sdk" / "__init__.py").read_text()
    names: dict[str, Any] = {}
    exec(text[text.index("__all__") :], names)
    assert len(names["__all__"]) == 24
    assert set(names["__all__"]) <= set(ours.__all__)
    assert all(hasattr(ours, name) for name in names["__all__"])


def quick_start(peer: Peer) -> str:
    """The Python example of its README as it stands, with the weights that it leaves to the reader, and what it promises."""
    with tarfile.open(peer.sdist) as archive:
        (readme,) = (member for member in archive if member.name.count("/") == 1 and member.name.endswith("/README.md"))
        opened = archive.extractfile(readme)
        assert opened
        (example,) = re.findall(r"^```python\n(.*?)^```$", opened.read().decode(), re.DOTALL | re.MULTILINE)
    assert "vault.unlock()" in example
    return f"weights_bytes = b'w' * 4096\n{example}\nassert weights == weights_bytes\n"


def test_its_quick_start_fails_there(peer: Peer, tmp_path: Path) -> None:
    path = peer.path(peer.unpack("src", tmp_path))
    program = f"import sys\nsys.modules['oqs'] = None\nsys.path[:0] = {list(path)!r}\n" + quick_start(peer)
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DecryptionError" in done.stderr.splitlines()[-1]


def test_its_quick_start_works_here(peer: Peer, tmp_path: Path) -> None:
    script = tmp_path / "quick_start.py"
    script.write_text(quick_start(peer))
    assert_ours(run_as_peer(peer, script=str(script)))


def test_its_own_vault_is_refused_where_ours_is_to_be_installed() -> None:
    program = "import sys, types; sys.modules['pqc_enclave_sdk'] = types.ModuleType('pqc_enclave_sdk')\n"
    program += "sys.modules['pqc_enclave_sdk'].__file__ = 'elsewhere'\n"
    program += "import hallmark_client.compat as c\ntry:\n    c.install()\nexcept ImportError as e:\n    print(e)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert "elsewhere is imported already" in done.stdout


def test_installed_modules_are_the_same_ones() -> None:
    program = "from hallmark_client.compat import install; install()\n"
    program += "import pqc_enclave_sdk.vault as a, hallmark_client.compat.pqc_enclave_sdk.vault as b\n"
    program += "from pqc_enclave_sdk.backends.ios import iOSEnclaveBackend\nprint(a is b)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_vault_is_this_sdks() -> None:
    with EnclaveVault(InMemoryEnclaveBackend()) as vault:
        assert type(vault.device_vault).__module__.startswith("hallmark_client.device.vault")


def test_it_is_measured_in_the_same_run(peer: Peer, tmp_path: Path) -> None:
    path = tuple(Path(each) for each in peer.path(peer.unpack("src", tmp_path)))
    plan = VaultPlan(size=KIB_256, rounds=1, folder=tmp_path, peer_path=path, releases=False)
    (found,) = measure_vault(plan, say=lambda _: None).sizes
    assert found.peer_missing == ""
    assert found.peer_put is not None
    assert found.peer_get is not None
    assert found.peer_get.ms > 0
