"""Whoever can write manifest.json (a bucket, a shared folder) and signs nothing does not stop or move the service."""

import dataclasses

import pytest

from hallmark_events.manifest import Manifest
from kms.events.model import Status
from unit.kms.status.bench import TENANT, StatusBench


@pytest.mark.parametrize(("epoch", "number"), [(b"\xff" * 16, 1), (b"\xfe" * 16, 1), (None, 2**53)])
async def test_a_forged_manifest_is_as_good_as_none(bench: StatusBench, epoch: bytes | None, number: int) -> None:
    device = await bench.subject()
    assert await bench.schedule.step() == 1
    path = bench.public / "status" / TENANT / "manifest.json"
    shown = Manifest.parse(path.read_bytes())
    forged = dataclasses.replace(shown, epoch=epoch or shown.epoch, number=number)
    path.chmod(0o644)
    path.write_bytes(forged.encode())
    await bench.set(device, Status.INVALID)
    assert await bench.passes(1) == 1
    now = Manifest.parse(path.read_bytes())
    assert (now.epoch, now.number) == (shown.epoch, shown.number + 1)
