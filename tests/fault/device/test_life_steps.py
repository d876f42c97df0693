"""Power cuts before and after every step of a deletion: the artifact stays unusable, and one receipt goes out.

A cut is taken as the image of the folder at that moment: the copy is what the device finds when it comes back.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fault.device.life_office import NOW, Office
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown
from hallmark_client.device.life.erasing import Erasing, Moment
from hallmark_client.device.life.fates import Told
from hallmark_client.device.life.keys import device_key
from hallmark_client.device.life.model import Command, Step, Work
from hallmark_client.device.life.permissions import LeasePermissions
from hallmark_client.device.life.receipts import Sending, Signer
from hallmark_client.device.life.store import LifeStore
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot, MemoryState
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.system import System
from hallmark_client.watch.decisions import NotGranted, Use
from unit.hallmark_client.device.life.conftest import DEVICE, command

APP = Caller(application="assistant")
BOOT = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"


class PowerCut(BaseException):
    """The device is off."""


@dataclass
class Fuse:
    """Blows at the n-th step; counts them."""

    at: int | None = None
    steps: int = 0

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any, **named: Any) -> Any:
            self._step()
            result = act(*args, **named)
            self._step()
            return result

        return acted

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise PowerCut


class CutStore(LifeStore):
    """Every write is a step."""

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        super().__init__(folder)
        self.put = fuse.around(super().put)  # type: ignore[method-assign]
        self.ask = fuse.around(super().ask)  # type: ignore[method-assign]


class CutRoot(MemoryRoot):
    """So is every advance."""

    def __init__(self, state: MemoryState | None, fuse: Fuse) -> None:
        super().__init__(state)
        self.advance = fuse.around(super().advance)  # type: ignore[method-assign]


@dataclass
class Life:
    """A device's deletion machinery over real files. `heard`: what its feed tells again after each start."""

    folder: Path
    office: Office
    fuse: Fuse = field(default_factory=Fuse)
    state: MemoryState | None = None
    heard: tuple[Command, ...] = ()

    def __post_init__(self) -> None:
        self.root = CutRoot(self.state, self.fuse)
        self.store: LifeStore | None = None
        permissions = LeasePermissions(self._decision, self._told, on_shred=lambda: None)
        policy = None if (self.folder / "index.sqlite").exists() else VaultPolicy.allow_own(APP.application)
        self.vault = Vault.open(self.folder, self.root, policy=policy, permissions=permissions)
        self.store = CutStore(self.folder, self.fuse)

    def run(self) -> None:
        """All that a device does about commands, once."""
        key, _ = device_key(None, self.vault)
        signer = Signer(device=DEVICE, key=key, root=self.root, system=System(), moment=self._moment)
        erasing = Erasing(
            vault=self.vault,
            root=self.root,
            store=self.store,
            decision=self._decision,
            told=self._told,
            sign=signer.sign,
        )
        sending = Sending(
            store=self.store,
            client=lambda: self.office.client,
            trusted_keys=lambda: self.office.keys,
            system=System(),
        )
        for each in self.heard:
            self.store.ask(each)
        erasing.run()
        sending.run()

    def close(self) -> None:
        self.store.close()
        self.vault.close()

    def _told(self) -> Told:
        return Told(doomed=frozenset() if self.store is None else self.store.doomed())

    def _decision(self, subject: str) -> Use:
        return Use(subject=subject, lease="", decision=NotGranted())

    def _moment(self) -> Moment:
        with self.vault.writing() as chain:
            return Moment(head=chain.head(), boot_id=BOOT, time=NOW)


def filled(folder: Path, office: Office) -> tuple[MemoryState, tuple[Command, ...]]:
    """Two artifacts to be deleted, one to be kept."""
    life = Life(folder, office)
    commands = []
    for number, name in enumerate(("first", "second")):
        made = life.vault.put([name.encode()], name=name, kind=ArtifactKind.OTHER)
        commands.append(command(number + 1, subject=made.subject))
    life.vault.put([b"kept"], name="kept", kind=ArtifactKind.OTHER)
    device_key(None, life.vault)
    state = life.root.state
    life.close()
    return state, tuple(commands)


def is_readable(life: Life, name: str) -> bool:
    try:
        life.vault.read(name, caller=APP)
    except (ArtifactSuspended, ArtifactUnknown):
        return False
    return True


def cut(tmp_path: Path, at: int) -> tuple[Life, bool, list[Work]]:
    """What is found after a cut at step `at`: the device on its disk's image, whether there was a cut, what was known."""
    office, image = Office(), tmp_path / f"image-{at}"
    state, commands = filled(tmp_path / f"vault-{at}", office)
    life = Life(tmp_path / f"vault-{at}", office, Fuse(), state, commands)
    life.fuse.steps, life.fuse.at = 0, at
    try:
        life.run()
        was_cut = False
    except PowerCut:
        was_cut = True
    shutil.copytree(life.folder, image)
    known = life.store.works()
    life.fuse.at = None
    life.close()
    (image / "lock").unlink(missing_ok=True)
    return Life(image, office, Fuse(), life.root.state, commands), was_cut, known


def test_cut_at_every_step(tmp_path: Path) -> None:
    at = 0
    was_cut = True
    while was_cut:
        at += 1
        life, was_cut, known = cut(tmp_path, at)
        for work in known:
            name = "first" if work.command.jti.endswith("1") else "second"
            assert not is_readable(life, name), f"usable again after a cut at {at}"
        life.run()
        assert not is_readable(life, "first")
        assert not is_readable(life, "second")
        assert is_readable(life, "kept")
        works = life.store.works()
        assert [work.step for work in works] == [Step.ANSWERED] * 2, at
        assert [work.grade for work in works] == ["A1"] * 2
        assert life.office.others == 0, "a second receipt went out"
        for before, after in zip(known, works, strict=False):
            assert before.receipt in {b"", after.receipt}, "a receipt that was signed has changed"
        life.close()
    assert at > 15, "the steps were counted"


def test_answers_that_are_lost_are_asked_for_again_with_the_same_receipt(tmp_path: Path) -> None:
    office = Office(deaf=1)
    state, commands = filled(tmp_path / "vault", office)
    life = Life(tmp_path / "vault", office, Fuse(), state, commands)
    with pytest.raises(Exception, match="answer was lost"):
        life.run()
    life.run()
    assert (office.others, len(office.taken)) == (0, 2)
    assert {work.step for work in life.store.works()} == {Step.ANSWERED}
    life.close()


def test_two_that_go_together_cost_one_epoch(tmp_path: Path) -> None:
    office = Office()
    state, commands = filled(tmp_path / "vault", office)
    life = Life(tmp_path / "vault", office, Fuse(), state, commands)
    before = life.root.epoch()
    life.run()
    assert life.root.epoch() == before + 1
    life.close()
