"""pqc-enclave-sdk, to be measured and to lend us its tests: fetched by pip as its authors published it, never ours.

Every file is pinned by SHA-256 and compared again at each use. Nothing is installed: wheels are imported as they lie.
"""

import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SDIST: Final = "pqc_enclave_sdk-0.1.0.tar.gz"
_FETCH_SECONDS: Final = 120
_PINS: Final = {
    "pqc-enclave-sdk==0.1.0": "cfa29b6802d7eaeaf29cc3997976f13d7c55bae56609483fa04f8c75fb200e2f",
    "quantumshield==0.2.0": "2d7179cb873ea500c8ce65d0a6e0f6e5e5016372071b964e4c8c89fb4d5a4b73",
    "httpx==0.28.1": "d909fcccc110f8c7faf814ca82a9a4d816bc5a6dbfea25d6591d6985b8ba59ad",
    "httpcore==1.0.9": "2d400746a40668fc9dec9810239072b40b4484b640a8c38fd654a024c7a1bf55",
    "certifi==2026.10.18": "73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62",
    "anyio==4.16.0": "c66ae634e0b8228396b801741beb3294326d4b6102f7bba4041c0dfb58c29026",
    "h11==0.16.0": "63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86",
    "idna==3.20": "ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c",
}
"""Itself, and what it needs that this SDK has no use for."""


class PeerUnavailable(Exception):
    """No network, no pip, or files that are not the ones we know."""


@dataclass(frozen=True, slots=True)
class Peer:
    """sdist: the archive as it was published. wheels: of what it needs, each importable as it is."""

    sdist: Path
    wheels: tuple[Path, ...]

    def unpack(self, part: str, into: Path) -> Path:
        """One folder of the archive, such as "tests" or "src"; the copy. Nothing else is written."""
        top = SDIST.removesuffix(".tar.gz")
        with tarfile.open(self.sdist) as archive:
            wanted = [member for member in archive if member.name.startswith(f"{top}/{part}/")]
            archive.extractall(into, members=wanted, filter="data")
        return into / top / part

    def path(self, source: Path) -> tuple[str, ...]:
        """For sys.path: its own code, then what it needs."""
        return (str(source), *(str(wheel) for wheel in self.wheels))


def fetch_peer(folder: Path) -> Peer:
    """From `folder`, or through pip into it. Raises PeerUnavailable."""
    if not _is_whole(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _download(folder)
        if not _is_whole(folder):
            raise PeerUnavailable(f"{folder} holds other files than those that are known: remove it and try again")
    files = sorted(folder.iterdir())
    return Peer(folder / SDIST, tuple(file for file in files if file.suffix == ".whl"))


def _download(folder: Path) -> None:
    pins = folder / "requirements.txt"
    pins.write_text("".join(f"{name} --hash=sha256:{digest}\n" for name, digest in _PINS.items()))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # The archive's metadata is read by its build back end: the one that is installed here, not one from the network.
    command += ["--no-build-isolation", "--no-binary", "pqc-enclave-sdk", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(pins)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailable(f"pip did not fetch pqc-enclave-sdk: {error}") from error
    finally:
        pins.unlink(missing_ok=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise PeerUnavailable(f"pip did not fetch pqc-enclave-sdk: {last[0]}")


def _is_whole(folder: Path) -> bool:
    return folder.is_dir() and sorted(_digests(folder.iterdir())) == sorted(_PINS.values())


def _digests(files: Iterable[Path]) -> list[str]:
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
