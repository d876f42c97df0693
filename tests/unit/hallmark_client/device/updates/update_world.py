"""A publisher with a real repository, and devices that update from it: real signatures, encryption and files.

Clocks stand still until told otherwise, pauses pass at once, and every read of a part is counted.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.model import Artifact, Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.updates import Updater, UpdateSettings
from hallmark_client.device.vault import Disk, Permissions, Vault
from hallmark_client.system import System
from hallmark_release import BuiltRelease, FolderSource, ReleaseSource
from unit.hallmark_release.release_world import MODEL, NOW, Publisher

APP = Caller(application="app")
MIB = 1024 * 1024


class CountingSource:
    """A folder; what is read of it is counted in bytes, and `on_portion` may do anything between two portions."""

    def __init__(self, folder: Path) -> None:
        self._source = FolderSource(folder)
        self._lock = threading.Lock()
        self.read: Counter[str] = Counter()
        self.on_portion: Callable[[str, bytes], bytes] = lambda _, portion: portion

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        for portion in self._source.stream(path, start=start):
            with self._lock:
                self.read[path] += len(portion)
            yield self.on_portion(path, portion)

    @property
    def part_bytes(self) -> int:
        return sum(count for path, count in self.read.items() if path.startswith("parts/"))


@dataclass
class UpdateDevice:
    """A vault and an updater; `keys` is what the service would give it."""

    folder: Path
    publisher: Publisher
    source: ReleaseSource
    time: datetime = NOW
    seconds: float = 0.0
    permissions: Permissions | None = None
    minimum: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    disk: Disk = field(default_factory=Disk)
    settings: UpdateSettings = field(default_factory=lambda: UpdateSettings(attempts=2))
    key: Callable[[str, int], bytearray] | None = None

    def __post_init__(self) -> None:
        self.root = MemoryRoot()
        self.policy: VaultPolicy | None = VaultPolicy.allow_own("app")
        self.open()

    def open(self) -> None:
        policy, self.policy = self.policy, None
        self.root = MemoryRoot(self.root.state)
        self.vault = Vault.open(
            self.folder / "vault", self.root, policy=policy, permissions=self.permissions, now=lambda: self.time
        )

    def reopen(self) -> None:
        self.vault.close()
        self.open()

    def updater(self, **changed: object) -> Updater:
        options = {
            "key_source": self.request_key,
            "folder": self.folder / "updates",
            "permissions": self.permissions,
            "minimum_epoch": lambda _: self.minimum,
            "now": lambda: self.time,
            "settings": self.settings,
            "system": System(sleep=self.passes, monotonic=lambda: self.seconds),
            "disk": self.disk,
            **changed,
        }
        return Updater(self.vault, self.source, self.publisher.trust, **options)

    def update(self, model: str = MODEL, **changed: object):
        return self.updater(**changed).update(model)

    def request_key(self, artifact: str, /, *, epoch: int) -> bytearray:
        self.asked.append((artifact, epoch))
        return self.key(artifact, epoch) if self.key else bytearray(self.publisher.content_keys[epoch])

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)

    def installed(self) -> Artifact | None:
        try:
            return self.vault.find(MODEL)
        except ArtifactUnknown:
            return None

    def check_installed(self, built: BuiltRelease, files: dict[str, bytes]) -> None:
        """The whole release is there, and nothing is left of its way."""
        artifact = self.vault.find(MODEL)
        assert artifact.digest == built.statement.sha256.hex()
        assert artifact.version == built.index.release.epoch
        assert {part.path for part in artifact.parts} == set(files)
        for path, data in files.items():
            assert self.vault.read(MODEL, part=path, caller=APP) == data
        assert self.waiting() == []

    def waiting(self) -> list[Path]:
        """Encrypted parts on their way."""
        return [path for path in (self.folder / "updates" / "downloads").rglob("*") if path.is_file()]


def no_plaintext(folder: Path, files: dict[str, bytes]) -> None:
    """Nowhere on the disk are 64 bytes of any released file."""
    samples = [data[at : at + 64] for data in files.values() for at in (0, len(data) // 2) if len(data) >= 64]
    for path in folder.rglob("*"):
        if path.is_file():
            stored = path.read_bytes()
            assert not [sample for sample in samples if sample and sample in stored], path
