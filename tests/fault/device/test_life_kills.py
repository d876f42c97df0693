"""Devices killed again and again while their consents are withdrawn: they end without, and with one receipt each.

One device by default, more with HALLMARK_FAULT_KILLS. The service is the real one.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fault.device.life_victim import NAMES
from fault.device.vault_world import file_root
from hallmark_client import Client
from rpc.device.world import Place, grant, put, until
from support.fault_runs import KILLS, LONG, SEED
from support.service import RunningService

DEVICES = min(KILLS, 100) if LONG else 1
"""Each is killed three times."""


class Victim:
    """The process, and what it said last."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fault.device.life_victim", str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    def says(self) -> set[str]:
        """The next line. Raises EOFError when it is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            raise EOFError
        return set(line.split()[1:])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def victim(folder: Path) -> Iterator[Victim]:
    running = Victim(folder)
    try:
        yield running
    finally:
        running.kill()


def withdrawn_and_killed(place: Place, backend: Client, consent: str, after: float) -> str:
    """Name of the removal."""
    with victim(place.folder) as running:
        until(lambda: running.says() == set(NAMES), lambda: "both are usable")
        (removal,) = backend.consents.withdraw(consent).removals
        time.sleep(after)
    return removal


def test_killed_in_the_middle_of_a_deletion(service: RunningService, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    for number in range(DEVICES):
        (tmp_path / str(number)).mkdir()
        place = Place(service, tmp_path / str(number) / "vault", root=file_root(tmp_path / str(number) / "root.json"))
        with place.enrol() as device, service.client("backend") as backend:
            first, second = (put(device, f"{number} {name}".encode(), name=name) for name in NAMES)
            consent = grant(backend, device, first)
            grant(backend, device, second)
            device_name = device.name
        with service.client("backend") as backend:
            removal = withdrawn_and_killed(place, backend, consent, chance.uniform(0.0, 0.25))
            check_after_kills(place, backend, removal, chance)
            kept = [each.name for each in backend.removals.list(device=device_name)]
            assert kept == [removal]


def check_after_kills(place: Place, backend: Client, removal: str, chance: random.Random) -> None:
    """Two more kills soon after its start; then it may live until the receipt is there."""
    for _ in range(2):
        with victim(place.folder) as running:
            running.says()
            time.sleep(chance.uniform(0.0, 0.3))
    with victim(place.folder) as running:
        until(lambda: backend.removals.get(removal).grade, lambda: "no receipt came")
        until(lambda: running.says() == {"second"}, lambda: "the one is gone, the other is usable")
    assert str(backend.removals.get(removal).grade) == "A1"
    place.root = file_root(place.folder.parent / "root.json")
    with place.open() as device:
        assert [found.name for found in device.vault.artifacts()] == ["second"]
        until(lambda: device.work() > 0 and not device.status().receipts_owed, device.status)
        (work,) = device._ground.store.works()
        assert work.grade in {"A1", ""}, "its own answer, or that of the same receipt before the kill"
        device.vault.audit.verify()
