"""A log made by the service's own code: recorded, sequenced, signed and published, kept as it was at several sizes."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from hallmark_tlog.vkey import VerifierKey
from kms.log.service import TransparencyLog
from kms.public.files import FolderPublicFiles
from support.log_world import LogWorld

SIZES = (1, 255, 256, 257, 70_000)
"""The corners of a tile, and a tree of three levels."""
PROVED = (0, 254, 255, 256, 65_535, 65_536, 69_999)
"""Indices at the edges of tiles."""
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class GrownLog:
    """`folders` are the public files by size; `entries` and `proofs` (tlog-proof v1, of the last size) by index;
    `consistency` by old and new size. `ed25519` and `ml_dsa` are the log's keys.
    """

    origin: str
    ed25519: VerifierKey
    ml_dsa: VerifierKey
    folders: dict[int, Path] = field(default_factory=dict)
    entries: dict[int, bytes] = field(default_factory=dict)
    proofs: dict[int, bytes] = field(default_factory=dict)
    consistency: dict[tuple[int, int], tuple[bytes, ...]] = field(default_factory=dict)

    @property
    def whole(self) -> Path:
        return self.folders[SIZES[-1]]

    def checkpoint(self, size: int) -> bytes:
        return (self.folders[size] / "checkpoint").read_bytes()


async def grow(folder: Path) -> GrownLog:
    """Passes through all SIZES, with a checkpoint at each."""
    public = folder / "public"
    world = LogWorld(folder, files=FolderPublicFiles(public))
    log = await world.open()
    await log.prepare()
    grown = GrownLog(log.origin, *log.verifier_keys())
    for size in SIZES:
        await _grow_to(size, world, log)
        grown.folders[size] = shutil.copytree(public, folder / f"public-{size}")
    for index in PROVED:
        proof = await log.inclusion_proof(index)
        assert proof.tlog_proof is not None
        grown.entries[index], grown.proofs[index] = proof.entry.data, proof.tlog_proof
    for old in SIZES:
        for new in SIZES:
            if old <= new:
                grown.consistency[old, new] = (await log.consistency_proof(old, new_size=new)).hashes
    await world.close()
    return grown


async def _grow_to(size: int, world: LogWorld, log: TransparencyLog) -> None:
    while (missing := size - len(world.recorded)) > 0:
        await world.act(min(missing, _AT_ONCE))
        await log.step()
