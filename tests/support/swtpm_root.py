"""A TPM root on a software TPM, and what other programs with access to the same TPM can do."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hallmark_client.device.roots.tpm2 import Tpm2Root, open_tpm2_root
from support.swtpm import SoftwareTpm, running_software_tpm

LABEL = b"kek"
SECRET = bytes(range(32))


@dataclass
class TpmRootBench:
    tpm: SoftwareTpm
    state: Path

    def open(self, *, auth: bytes = b"", owner: bytes = b"", pcrs: tuple[int, ...] = (), name: str = "") -> Tpm2Root:
        """name: of another state file, so of another root on the same TPM."""
        path = self.state.with_name(name) if name else self.state
        return open_tpm2_root(path, tcti=self.tpm.tcti, auth=lambda: auth, owner_auth=lambda: owner, pcrs=pcrs)

    def facts(self) -> dict[str, Any]:
        """What the state file says."""
        found: dict[str, Any] = json.loads(self.state.read_bytes())
        return found

    @property
    def counter(self) -> str:
        """As tpm2-tools spell the handle."""
        return f"0x{self.facts()['index']:x}"

    @contextmanager
    def esapi(self) -> Iterator[Any]:
        import tpm2_pytss

        with tpm2_pytss.ESAPI(self.tpm.tcti) as esapi:
            yield esapi

    def leftovers(self) -> str:
        """Objects and sessions that somebody forgot in the TPM."""
        return "".join(map(self.tpm.handles, ("transient", "loaded-session", "saved-session")))


alone = pytest.mark.parametrize("bench", ["alone"], indirect=True)
"""For a test that does to its TPM what others would not like: a power cut, another authorization."""


@contextmanager
def short_lived_tpm() -> Iterator[SoftwareTpm]:
    # Not the folder of the test: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="tpm") as folder, running_software_tpm(Path(folder)) as tpm:
        yield tpm


@contextmanager
def tpm_root_bench() -> Iterator[TpmRootBench]:
    """With a TPM of its own."""
    with short_lived_tpm() as tpm:
        yield TpmRootBench(tpm, tpm.folder / "root.json")
