"""A TPM root on swtpm for each test; the TPM is the module's, but for tests that are marked `alone`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark_client.device.roots.tpm2 import Tpm2Root
from support.swtpm import SoftwareTpm
from support.swtpm_root import TpmRootBench, short_lived_tpm, tpm_root_bench


@pytest.fixture(scope="module")
def shared_tpm() -> Iterator[SoftwareTpm]:
    with short_lived_tpm() as tpm:
        yield tpm


@pytest.fixture
def bench(request: pytest.FixtureRequest, shared_tpm: SoftwareTpm, tmp_path: Path) -> Iterator[TpmRootBench]:
    if getattr(request, "param", None) != "alone":
        yield TpmRootBench(shared_tpm, tmp_path / "root.json")
        return
    with tpm_root_bench() as bench:
        yield bench


@pytest.fixture
def root(bench: TpmRootBench) -> Iterator[Tpm2Root]:
    root = bench.open()
    yield root
    root.close()
