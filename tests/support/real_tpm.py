"""A software TPM that others wrote: swtpm, reached through tpm2-tools."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

TOOLS = ("swtpm", "tpm2_createek", "tpm2_createak", "tpm2_activatecredential", "tpm2_quote", "tpm2_certify")

needs_real_tpm = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason="swtpm and tpm2-tools are not installed (Debian packages of these names)"
)


class Tpm:
    """A TPM behind a socket in its own folder."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self.process = process
        self.environment = {**os.environ, "TPM2TOOLS_TCTI": f"swtpm:path={folder}/server"}

    def run(self, tool: str, *arguments: str) -> None:
        command = [tool, *arguments]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, capture_output=True, timeout=30)

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def public(self, name: str) -> bytes:
        """TPMT_PUBLIC, without the length before it."""
        return self.file(name)[2:]

    def make_keys(self, kind: str) -> None:
        """EK and AK of one algorithm, "rsa" or "ecc": files <kind>.ek.*, <kind>.ak.*."""
        signing = "rsassa" if kind == "rsa" else "ecdsa"
        self.run("tpm2_createek", "-G", kind, "-c", f"{kind}.ek.ctx", "-u", f"{kind}.ek.pub")
        self.run(
            "tpm2_createak", "-C", f"{kind}.ek.ctx", "-c", f"{kind}.ak.ctx", "-G", kind, "-g", "sha256", "-s", signing,
            "-u", f"{kind}.ak.pub", "-n", f"{kind}.ak.name",
        )  # fmt: skip
        self.run("tpm2_flushcontext", "-t")

    def activate(self, kind: str, credential: bytes) -> bytes:
        """What the TPM finds in a credential file. Raises CalledProcessError where it does not open it."""
        (self.folder / "credential").write_bytes(credential)
        self.run("tpm2_startauthsession", "--policy-session", "-S", "session")
        try:
            self.run("tpm2_policysecret", "-S", "session", "-c", "e")
            self.run(
                "tpm2_activatecredential", "-c", f"{kind}.ak.ctx", "-C", f"{kind}.ek.ctx", "-i", "credential",
                "-o", "secret", "-P", "session:session",
            )  # fmt: skip
        finally:
            self.run("tpm2_flushcontext", "session")
            self.run("tpm2_flushcontext", "-t")
        return self.file("secret")


@contextmanager
def running_tpm(folder: Path) -> Iterator[Tpm]:
    arguments = ("--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate", f"dir={folder}")
    sockets = ("--server", f"type=unixio,path={folder}/server", "--ctrl", f"type=unixio,path={folder}/server.ctrl")
    process = subprocess.Popen(["swtpm", "socket", *arguments, *sockets], stdout=subprocess.DEVNULL)
    try:
        deadline = monotonic() + 10
        while not (folder / "server.ctrl").exists() and monotonic() < deadline:
            sleep(0.02)
        yield Tpm(folder, process)
    finally:
        process.terminate()
        process.wait(timeout=10)
