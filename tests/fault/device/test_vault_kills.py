"""A process that uses a vault is killed, at a chosen write or at a random moment; what it acknowledged holds.

HALLMARK_FAULT_KILLS says how many: `make test-fault`. After each kill: every artifact that was acknowledged reads back
whole, every deletion that was acknowledged is unreadable, from a copy of the folder made before it too, nothing half is
visible, no file lies around, and the audit chain leads on from where it was.
"""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fault.device.vault_nursery import READER, content
from fault.device.vault_world import file_root
from hallmark_client.device.audit import NO_ENTRIES, AuditHead
from hallmark_client.device.errors import RolledBack
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.vault import Vault
from support.fault_runs import KILLS, LONG, SEED

ROUNDS = 50 * KILLS if LONG else 40
"""A kill here takes a tenth of a second: 10,000 where servers are killed 200 times."""
REIGN = 50
"""Kills until a new vault: an audit chain that is verified after each of them should not grow for ever."""
TESTS = Path(__file__).resolve().parents[2]


@dataclass
class Book:
    """What was acknowledged. Keys: name and version; values: size."""

    held: dict[tuple[str, int], int] = field(default_factory=dict)
    putting: tuple[str, int, int] | None = None
    deleting: list[tuple[str, int]] = field(default_factory=list)
    deletions: int = 0

    def note(self, said: dict[str, Any]) -> None:
        match said["word"]:
            case "puts":
                self.putting = (said["name"], said["version"], said["size"])
            case "put" if self.putting:
                name, version, size = self.putting
                self.held[name, version], self.putting = size, None
            case "deletes":
                self.deleting = [(name, version) for name, version in said["which"]]
            case "deleted":
                self.settle_deletion()
            case other:
                pytest.fail(f"{other}: {said}")

    def settle_deletion(self) -> None:
        for key in self.deleting:
            del self.held[key]
        self.deleting, self.deletions = [], self.deletions + 1

    def settle(self, found: set[tuple[str, int]]) -> None:
        """What was under way happened as a whole, or not at all."""
        if self.putting and self.putting[:2] in found:
            self.held[self.putting[:2]] = self.putting[2]
        gone = [key for key in self.deleting if key not in found]
        assert gone in ([], self.deleting)
        if gone:
            self.settle_deletion()
        self.putting, self.deleting = None, []
        assert found == set(self.held)


@dataclass
class Nursery:
    process: subprocess.Popen[str]

    def kill_one(self, folder: Path, dice: random.Random, book: Book) -> None:
        at_step = dice.random() < 0.7
        step, seconds = (dice.randint(1, 120), None) if at_step else (None, dice.random() * 0.1)
        order = {"folder": str(folder), "seed": dice.random(), "step": step, "seconds": seconds}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            said = json.loads(line)
            if said["word"] == "dead":
                return
            book.note(said)
        pytest.fail("the nursery ended")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-m", "fault.device.vault_nursery"]
    with subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)
        assert process.stdin
        process.stdin.close()
        process.wait(10)


def test_what_was_acknowledged_survives_kills_anywhere(nursery: Nursery, fast_folder: Path) -> None:
    dice = random.Random(SEED)
    for reign in range(0, ROUNDS, REIGN):
        folder = fast_folder / str(reign)
        folder.mkdir()
        Vault.open(folder / "vault", file_root(folder / "root.json"), policy=VaultPolicy.allow_own("reader")).close()
        book, head, copy = Book(), NO_ENTRIES, None
        for _ in range(min(REIGN, ROUNDS - reign)):
            copy = copy or Copy.of(folder, book)
            nursery.kill_one(folder, dice, book)
            head = check(folder, book, head)
            copy = copy.checked(folder, book)
        shutil.rmtree(folder)


def check(folder: Path, book: Book, head: AuditHead) -> AuditHead:
    with Vault.open(folder / "vault", file_root(folder / "root.json")) as vault:
        found = {(each.name, each.version) for each in vault.artifacts()}
        book.settle(found)
        for (name, version), size in book.held.items():
            vault.resume(name)
            assert vault.read(name, version=version, caller=READER) == content(name, version, size)
        blobs = {part.blob for each in vault.artifacts() for part in each.parts}
        files = {path.name for path in (folder / "vault" / "blobs").rglob("*") if path.is_file()}
        assert files == blobs
        return vault.audit.verify(head)


@dataclass
class Copy:
    """The folder as somebody saved it, before some deletion."""

    path: Path
    deletions: int

    @classmethod
    def of(cls, folder: Path, book: Book) -> "Copy":
        path = folder / "copy"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(folder / "vault", path)
        return cls(path, book.deletions)

    def checked(self, folder: Path, book: Book) -> "Copy | None":
        if book.deletions == self.deletions:
            return self
        with pytest.raises(RolledBack):
            Vault.open(self.path, file_root(folder / "root.json"))
        return None
