"""A real device object beside a real service: who vouches for it, short times, and words to wait with."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.testing import VirtualPhone
from hallmark_client import Client, Evidence, EvidenceFormat
from hallmark_client.device.life import Device, DeviceKey, FeedSettings, LifeSettings, Proof
from hallmark_client.device.life.keys import SoftwareKey
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.model.consents import ArtifactKind, ConsentArtifact, LeaseTerms
from hallmark_client.model.devices import Challenge, TpmKeys
from hallmark_client.model.enums import ChallengePurpose
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock
from rpc.wire import fresh_id
from support.service import RunningService

APP = Caller(application="assistant")
SECONDS = 30


@dataclass(frozen=True)
class PhoneAttester:
    """The virtual phone of the tests vouches for a key that it is shown: the maker's chain, a fresh challenge."""

    phone: VirtualPhone

    @property
    def purpose(self) -> ChallengePurpose:
        return ChallengePurpose.FIRST_BOOT

    def key(self) -> DeviceKey | None:
        return None

    def tpm_keys(self) -> TpmKeys | None:
        return None

    def prove(self, challenge: Challenge, key: DeviceKey) -> Proof:
        leaf = self.phone.leaf(key.spki, self.phone.description_extension(challenge.challenge))
        chain = (leaf, *self.phone.attester.chain)
        return Proof(
            evidence=Evidence(format=EvidenceFormat.ANDROID_KEY, certificates=chain), challenge=challenge.challenge
        )


class SealedKey:
    """A key that can sign, and can not be had."""

    def __init__(self) -> None:
        self._key = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))

    @property
    def spki(self) -> bytes:
        return self._key.spki

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


@dataclass(frozen=True)
class SealedPhone(PhoneAttester):
    """A phone that keeps the device's key itself."""

    sealed: SealedKey = field(default_factory=SealedKey)

    def key(self) -> DeviceKey | None:
        return self.sealed


@dataclass
class Clock:
    """The clocks of a device, for a test to turn. ahead: of all of them; rtc: of the one that anybody can set."""

    ahead: timedelta = timedelta()
    rtc: timedelta = timedelta()
    boot: str = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    booted: float = field(default_factory=time.monotonic)

    def device(self) -> DeviceClock:
        return DeviceClock(
            boot_seconds=lambda: time.monotonic() - self.booted + self.ahead.total_seconds(),
            boot_id=lambda: self.boot,
            rtc=lambda: datetime.now(UTC) + self.ahead + self.rtc,
        )

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()

    def reboot(self) -> None:
        self.boot, self.booted, self.ahead = fresh_id(), time.monotonic(), timedelta()


def settings(clock: Clock, **more: Any) -> LifeSettings:
    """Impatient."""
    feeds = FeedSettings(
        heartbeat=timedelta(seconds=1), poll_every=timedelta(seconds=0.5), files_every=timedelta(seconds=1)
    )
    given = {
        "feeds": feeds,
        "look_every": timedelta(seconds=1),
        "files_url": "",
        "clock": clock.device(),
        "system": System(jitter=lambda: 0.05, monotonic=clock.monotonic),
        "connect": lambda profile: Client(profile, timeout_seconds=10),
    }
    return LifeSettings(**{**given, **more})


@dataclass
class Place:
    """A device's folder, root and clock, which outlive the program."""

    service: RunningService
    folder: Path
    root: MemoryRoot = field(default_factory=MemoryRoot)
    clock: Clock = field(default_factory=Clock)
    attester: Any = None

    def __post_init__(self) -> None:
        self.attester = self.attester or PhoneAttester(self.service.phone)

    def enrol(self, **more: Any) -> Device:
        return Device.enrol(
            self.folder,
            bootstrap=self.service.profile("backend"),
            root=self.root,
            attester=self.attester,
            policy=VaultPolicy.allow_own(APP.application),
            settings=settings(self.clock, **more),
        )

    def open(self, **more: Any) -> Device:
        return Device.open(self.folder, root=self.root, attester=self.attester, settings=settings(self.clock, **more))

    def restart(self) -> None:
        """The same chip, and a program that knows nothing any more."""
        self.root = MemoryRoot(self.root.state)


def put(device: Device, content: bytes = b"a template of a voice", *, name: str = "voice") -> str:
    """Stored, usable only with a lease. Its SHA-256."""
    kind = ArtifactKind.BIOMETRIC_TEMPLATE
    found = device.vault.put([content], name=name, kind=kind, needs_permission=True)
    assert found.digest == hashlib.sha256(content).hexdigest()
    return found.digest


def grant(backend: Client, device: Device, *digests: str, terms: LeaseTerms | None = None) -> str:
    """The consent's name."""
    given = backend.consents.grant(
        fresh_id(),
        controller="https://bank.example",
        purposes=["dpv:IdentityVerification"],
        artifacts=[ConsentArtifact(artifact=each, kind=ArtifactKind.BIOMETRIC_TEMPLATE) for each in digests],
        devices=[device.name],
        lease_terms=terms,
    )
    return given.consent.name


def until(condition: Callable[[], Any], what: Callable[[], object] = lambda: "") -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, what()
        threading.Event().wait(0.02)
    return found
