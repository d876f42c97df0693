"""Any byte of the index may be another one: the vault says so in its own words, and never gives wrong plaintext."""

import random
import shutil
from pathlib import Path

import pytest

from hallmark_client.device.errors import DeviceError
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot, MemoryState
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from support.fault_runs import LONG, SEED

OTHER = ArtifactKind.OTHER
APP = Caller(application="app")
PLAIN = {"one": b"1" * 20_000, "two": b"2" * 5}
FLIPS = 1_200 if LONG else 120


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MemoryRoot]:
    """A closed vault with something in every table."""
    folder, root = tmp_path_factory.mktemp("made") / "vault", MemoryRoot()
    with Vault.open(folder, root, policy=VaultPolicy.allow_own("app")) as vault:
        for name, content in PLAIN.items():
            vault.put([content], name=name, kind=OTHER, labels={"a": "b"})
            vault.read(name, caller=APP)
        vault.keep_secret("s", b"secret")
        vault.suspend("two")
        vault.resume("two")
    return folder, root


def use(folder: Path, state: MemoryState) -> None:
    """As an application would, through everything that the index has a part in. Raises DeviceError."""
    with Vault.open(folder, MemoryRoot(state)) as vault:
        for name, content in PLAIN.items():
            try:
                assert vault.read(name, caller=APP) == content
            except DeviceError:
                continue
        for act in (
            lambda: vault.secret("s"),
            vault.check,
            vault.artifacts,
            lambda: vault.effective_policy("one", APP),
            lambda: vault.put([b"3"], name="three", kind=OTHER),
            lambda: vault.suspend("one"),
            lambda: vault.delete("two"),
            vault.rotate,
        ):
            try:
                act()
            except DeviceError:
                continue


def epochs_of(root: MemoryRoot) -> MemoryState:
    """A copy: each try begins with the same root."""
    keys = {epoch: bytearray(key) for epoch, key in root.state.keys.items()}
    return MemoryState(root=root.state.root, epoch=root.state.epoch, keys=keys)


@pytest.mark.parametrize("kind", ["bit", "byte", "stretch", "cut"])
def test_damage_anywhere(kind: str, made: tuple[Path, MemoryRoot], tmp_path: Path) -> None:
    folder, root = made
    whole = (folder / "index.sqlite").read_bytes()
    chance = random.Random(f"{SEED} {kind}")
    for number in range(FLIPS // 4):
        place, harmed = chance.randrange(len(whole)), bytearray(whole)
        match kind:
            case "bit":
                harmed[place] ^= 1 << chance.randrange(8)
            case "byte":
                harmed[place] = chance.randrange(256)
            case "stretch":
                harmed[place : place + 16] = chance.randbytes(len(harmed[place : place + 16]))
            case _:
                del harmed[place:]
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        (copy / "index.sqlite").write_bytes(harmed)
        try:
            use(copy, epochs_of(root))
        except DeviceError:
            pass
        except Exception as error:
            raise AssertionError(f"{kind} at {place}") from error
        shutil.rmtree(copy)
