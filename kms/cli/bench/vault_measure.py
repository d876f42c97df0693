"""The measurements of `hallmark bench vault`, one after the other, each in a fresh process."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kms.cli.bench.vault_peer import PeerUnavailable, fetch_peer
from kms.cli.bench.vault_report import (
    GIB,
    KIB_256,
    MIB,
    AtSize,
    RandomReads,
    Rate,
    Releases,
    VaultReport,
    size_text,
)
from kms.cli.failure import not_so, not_usable

_MID: Final = 64 * MIB
_SMALL_ROUNDS: Final = 100
_GETS_FOR_EACH_PUT: Final = 10
"""Of small ones: a put waits for the disk, a get does not."""
_RANDOM_READS: Final = 20_000
_PEER_BYTES_FOR_EACH: Final = 6
"""Resident bytes of the peer for each byte of content: five were measured."""
_PEER_MAX: Final = 2**31 - 1
_ROOM_FOR_EACH: Final = 3
"""Source, encrypted, and one of both again while a release is updated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPlan:
    """size: of the large artifact. rounds: of large ones. peer: fetch it. peer_path: or take it from these folders."""

    size: int = GIB
    full: bool = False
    rounds: int = 3
    folder: Path | None = None
    peer: bool = False
    peer_path: tuple[Path, ...] = ()
    releases: bool = True

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(sorted({KIB_256, min(_MID, self.size), self.size, *((10 * GIB,) if self.full else ())}))


def measure_vault(plan: VaultPlan, *, say: Callable[[str], None]) -> VaultReport:
    """Raises CommandError."""
    with tempfile.TemporaryDirectory(prefix="hallmark-bench-", dir=plan.folder) as made:
        folder = Path(made)
        _check_room(folder, max(plan.sizes))
        peer = _peer_path(plan, folder)
        found, reads = [], None
        for size in plan.sizes:
            say(f"{size_text(size)}: put, get")
            at_size, random_reads = _measure_size(plan, folder / str(size), size, peer)
            found.append(at_size)
            reads = random_reads if size == plan.size else reads
        assert reads is not None
        releases = None
        if plan.releases:
            say(f"{size_text(plan.size)}: release build, update")
            releases = _measure_releases(plan, folder / "release")
    return VaultReport(
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        sizes=tuple(found),
        random_reads=reads,
        releases=releases,
    )


def _measure_size(plan: VaultPlan, folder: Path, size: int, peer: tuple[str, ...] | str) -> tuple[AtSize, RandomReads]:
    rounds = _SMALL_ROUNDS if size <= KIB_256 else plan.rounds if size <= GIB else 1
    folder.mkdir()
    source = write_source(folder / "source", size)
    vault, of_vault = folder / "vault", "kms.cli.bench.vault_child"
    put = run_child(of_vault, work="put", vault=str(vault), source=str(source), rounds=rounds)
    opening = {"vault": str(vault), "state": put["state"]}
    gets = rounds * _GETS_FOR_EACH_PUT if size <= KIB_256 else rounds
    get = run_child(of_vault, work="get", rounds=gets, **opening)
    reads = run_child(of_vault, work="random", rounds=_RANDOM_READS, **opening)
    theirs, missing = None, _peer_missing(size, peer)
    if peer and not missing:
        theirs = run_child(of_vault, work="peer", source=str(source), rounds=gets, path=list(peer))
    shutil.rmtree(folder)
    at_size = AtSize(
        size=size,
        rounds=rounds,
        put=Rate.of(size, put),
        get=Rate.of(size, get),
        peer_put=Rate.of(size, theirs["put"]) if theirs else None,
        peer_get=Rate.of(size, theirs["get"]) if theirs else None,
        peer_peak_mib=theirs["peak_bytes"] / MIB if theirs else None,
        peer_missing=missing,
    )
    return at_size, RandomReads.of(size, reads)


def _measure_releases(plan: VaultPlan, folder: Path) -> Releases:
    (folder / "plain").mkdir(parents=True)
    write_source(folder / "plain" / "model.safetensors", plan.size)
    found = run_child("kms.cli.bench.vault_releases", folder=str(folder), rounds=plan.rounds)
    return Releases(
        size=plan.size, build=Rate.of(plan.size, found["build"]), update=Rate.of(plan.size, found["update"])
    )


def run_child(module: str, **request: Any) -> dict[str, Any]:
    """What it answers. Raises CommandError with its last words."""
    command = [sys.executable, "-P", "-m", module, json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise not_so("BENCH_FAILED", f"a measuring process failed: {last[0]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_source(path: Path, size: int) -> Path:
    """Random bytes, the same MiB again and again: neither disk nor cipher looks at them twice."""
    block = secrets.token_bytes(min(size, MIB))
    with path.open("wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
        file.flush()
        os.fsync(file.fileno())
    return path


def _peer_path(plan: VaultPlan, folder: Path) -> tuple[str, ...] | str:
    """For sys.path; or why there is none, empty where nobody asked."""
    if plan.peer_path:
        if not any((path / "pqc_enclave_sdk" / "__init__.py").is_file() for path in plan.peer_path):
            raise not_usable("PEER_MISSING", f"there is no pqc_enclave_sdk in {', '.join(map(str, plan.peer_path))}")
        return tuple(str(path.resolve()) for path in plan.peer_path)
    if not plan.peer:
        return ""
    try:
        peer = fetch_peer(folder / "peer")
    except PeerUnavailable as error:
        return str(error)
    return peer.path(peer.unpack("src", folder / "peer-source"))


def _peer_missing(size: int, peer: tuple[str, ...] | str) -> str:
    if isinstance(peer, str):
        return peer
    if size > _PEER_MAX:
        return "cannot store 2 GiB or more"
    needed = size * _PEER_BYTES_FOR_EACH
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return "" if available > needed else f"needs {needed / GIB:.1f} GiB of free memory"


def _check_room(folder: Path, size: int) -> None:
    disk = os.statvfs(folder)
    free, needed = disk.f_bavail * disk.f_frsize, size * _ROOM_FOR_EACH + GIB
    if free < needed:
        raise not_usable(
            "NO_ROOM", f"{folder} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} are needed", "Choose --folder"
        )
