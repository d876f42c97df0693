"""Forks processes that use a vault until they are killed: `python -m fault.device.vault_nursery`, orders on stdin.

An order is one line of JSON: {"folder", "seed", "step": number or null, "seconds": number or null}. The process says
what it is about to do and what is done, each as one line of JSON; the nursery says "dead".
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from fault.device.vault_world import dying_at, file_root
from hallmark_client.device.model import Caller
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind

READER = Caller(application="reader")
NAMES = ("chat", "voice", "face")
SIZES = (0, 1, 3_000, 16_384, 40_000, 1_100_000)
ACTS = 60


def content(name: str, version: int, size: int) -> bytes:
    return random.Random(f"{name}/{version}/{size}").randbytes(size)


def say(word: str, **facts: Any) -> None:
    os.write(1, json.dumps({"word": word, **facts}).encode() + b"\n")


class User:
    """Does this and that with a vault."""

    def __init__(self, vault: Vault, dice: random.Random) -> None:
        self._vault = vault
        self._dice = dice

    def act(self) -> None:
        held = [(each.name, each.version) for each in self._vault.artifacts()]
        match self._dice.choice(["put", "put", "put", "replace", "delete", "several", "rotate", "suspend", "read"]):
            case "replace" if held:
                name, version = self._dice.choice(held)
                self.put(name)
                self.delete([(name, version)])
            case "delete" if held:
                self.delete([self._dice.choice(held)])
            case "several" if held:
                self.delete(held[: self._dice.randint(1, 3)])
            case "rotate":
                self._vault.rotate()
            case "suspend" if held:
                name = self._dice.choice(held)[0]
                self._vault.suspend(name, why="a test")
                self._vault.resume(name)
            case "read" if held:
                name, version = self._dice.choice(held)
                self._vault.resume(name)
                self._vault.read(name, version=version, caller=READER)
            case _:
                self.put(self._dice.choice(NAMES))

    def put(self, name: str) -> None:
        version = 1 + max((each.version for each in self._vault.artifacts() if each.name == name), default=0)
        version += self._dice.randint(0, 3) * 1_000  # never a number that was used before in this name's life
        size = self._dice.choice(SIZES)
        say("puts", name=name, version=version, size=size)
        self._vault.put([content(name, version, size)], name=name, kind=ArtifactKind.OTHER, version=version)
        say("put")

    def delete(self, which: list[tuple[str, int]]) -> None:
        say("deletes", which=which)
        self._vault.delete(*(self._vault.find(name, version) for name, version in which))
        say("deleted")


def live(order: dict[str, Any]) -> None:
    folder = Path(order["folder"])
    disk = dying_at(order["step"] or -1)
    vault = Vault.open(folder / "vault", file_root(folder / "root.json", disk), disk=disk)
    user = User(vault, random.Random(order["seed"]))
    for _ in range(ACTS):
        user.act()
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                live(order)
            except BaseException as error:
                say("failed", error=repr(error))
            os._exit(1)
        if order["seconds"] is not None:
            time.sleep(order["seconds"])
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        say("dead")


if __name__ == "__main__":
    main()
