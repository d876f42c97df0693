"""Phones that follow a service while both are killed: enrolled here, alive as processes of their own."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hallmark_client import Client, Profile
from hallmark_client.watch import MemoryStore, PinnedKeys, Rung, SqliteStore, Store, Watcher
from hallmark_client.watch.core import Core
from hallmark_client.watch.decisions import Use, use_of
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.settings import WatchSettings
from hallmark_composite import CompositePublicKey
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from rpc.test_gated_keys import Phone
from support.permission_journal import Memory
from support.permission_phone import IMPATIENT, LOG_KEYS, SERVICE_KEY, STORE
from support.service import RunningService

PARENT = "tenants/default"
SIGNING_KEY = "tenants/system/keys/revocation-events"
_TESTS = Path(__file__).parent.parent


@dataclass(frozen=True)
class Trust:
    """Whom everybody believes, phones and auditors."""

    pem: str
    vkeys: str

    @classmethod
    def of(cls, service: RunningService) -> "Trust":
        with service.client() as client:
            pem = client.keys.public_key(SIGNING_KEY).pem
        return cls(pem, (service.home / "public" / "verifier-keys").read_text())

    @property
    def keys(self) -> PinnedKeys:
        return PinnedKeys(CompositePublicKey.from_spki_pem(self.pem))

    @property
    def log(self) -> list[VerifierKey]:
        return [parse_vkey(line) for line in self.vkeys.splitlines()]


@dataclass
class LivePhone:
    """One phone: its folder, and the process while it lives. As a `service` of a Caller it gives its own client."""

    name: str
    folder: Path
    trust: Trust
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    found: list[str] = field(default_factory=list)

    @classmethod
    def enrol(cls, service: RunningService, folder: Path, trust: Trust) -> "LivePhone":
        phone = Phone(service, folder)
        (folder / "name").write_text(phone.name)
        (folder / SERVICE_KEY).write_text(trust.pem)
        (folder / LOG_KEYS).write_text(trust.vkeys)
        return cls(phone.name, folder, trust)

    @property
    def profile(self) -> Profile:
        return Profile.load(self.folder)

    @property
    def memory(self) -> Memory:
        return Memory.of(self.folder)

    def client(self, role: str = "device", *, timeout_seconds: float = 20) -> Client:
        del role
        return Client(self.profile, timeout_seconds=timeout_seconds)

    def start(self, rung: Rung = Rung.STREAM) -> None:
        self.starts += 1
        command = [sys.executable, "-m", "support.permission_phone", str(self.folder), rung.name]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=_TESTS)

    def kill(self) -> None:
        """And look at what it left: nothing that it had heard to be taken back may be usable from its store alone."""
        assert self.process is not None
        assert self.process.poll() is None, f"it ended by itself:\n{self.output}"
        self.process.kill()
        self.process.wait(20)
        self.found += [f"{use.subject} is {use.decision} after a kill" for use in self.re_permitted()]

    def rest_when(self, condition: Callable[[], bool], rung: Rung, seconds: float) -> None:
        """Killed again and again, until that holds of what its file has: no other may read it while it lives.

        Each time it lives for longer: on a busy machine it takes seconds to begin.
        """
        deadline, lives = time.monotonic() + seconds, 1.0
        while True:
            self.kill()
            if condition():
                return
            assert time.monotonic() < deadline, f"{self.name} does not come to hold what it should:\n{self.output}"
            self.start(rung)
            time.sleep(lives)
            lives *= 1.5

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()[-4000:]

    def re_permitted(self) -> list[Use]:
        """What its own journal says is over or suspended, and its store allows."""
        return [use for use in self.uses(sorted(self.memory.taken_back)) if use.is_allowed]

    def uses(self, subjects: Sequence[str]) -> list[Use]:
        """Decided offline, from the file."""
        if not (self.folder / STORE).exists():
            return []
        store = SqliteStore(self.folder / STORE)
        try:
            core = Core(parent=PARENT, settings=self._settings(), store=store, has_files=False)
            return [use_of(core.held, subject, core.settings.clock.read()) for subject in subjects]
        finally:
            store.close()

    def sequence(self, feed: Feed) -> int:
        """Of the newest event that it has."""
        store = SqliteStore(self.folder / STORE)
        try:
            return store.load(PARENT).states[feed].sequence
        finally:
            store.close()

    def digests(self) -> dict[Feed, tuple[bytes, bytes]]:
        """What it holds: epoch and digest of each feed."""
        store = SqliteStore(self.folder / STORE)
        try:
            return digests_of(store)
        finally:
            store.close()

    def digests_of_a_new_one(self) -> dict[Feed, tuple[bytes, bytes]]:
        """What the server tells a device that has nothing."""
        store = MemoryStore()
        with (
            self.client() as client,
            Watcher(client, store=store, begin_with=Rung.POLL, system=IMPATIENT, **self._trusted()) as watcher,
        ):
            watcher.wait_ready(30)
        return digests_of(store)

    def _settings(self) -> WatchSettings:
        return WatchSettings(system=IMPATIENT, **self._trusted())

    def _trusted(self) -> dict[str, object]:
        return {"trusted_keys": self.trust.keys, "log_policy": self.trust.log}


def digests_of(store: Store) -> dict[Feed, tuple[bytes, bytes]]:
    return {feed: (state.epoch, state.digest()) for feed, state in store.load(PARENT).states.items()}


@dataclass
class Phones:
    """`steady` ones live to the end; the others are revoked meanwhile."""

    steady: list[LivePhone]
    doomed: list[LivePhone]

    @property
    def all(self) -> list[LivePhone]:
        return [*self.steady, *self.doomed]

    def start(self) -> None:
        for number, phone in enumerate(self.all):
            phone.start(Rung.POLL if number % 3 == 1 else Rung.STREAM)

    def kill_one(self, randomness: random.Random, revoked: set[str]) -> None:
        """It begins again at once, perhaps in another way; one that was revoked has the files alone."""
        phone = randomness.choice(self.all)
        phone.kill()
        phone.start(Rung.FILES if phone.name in revoked else randomness.choice([Rung.STREAM, Rung.STREAM, Rung.POLL]))

    def stop(self) -> None:
        for phone in self.all:
            phone.stop()

    def until_alike(self, seconds: float) -> None:
        """Every steady phone holds what the server tells. Raises AssertionError."""
        for phone in self.steady:
            phone.rest_when(lambda phone=phone: phone.digests() == phone.digests_of_a_new_one(), Rung.POLL, seconds)
