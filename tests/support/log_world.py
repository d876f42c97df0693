"""A transparency log with everything it needs, that can be closed and opened again on the same data."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy.engine import Connection

from hsm.testing import FakeKeyProvider
from kms.core.database import Database
from kms.core.ids import new_id
from kms.log import store
from kms.log.memory.remembered import Memory
from kms.log.model import LogEntry, LogPromise, LogSettings, StoredEntry
from kms.log.service import TransparencyLog
from kms.public.files import PublicFiles
from support.clock import FakeClock
from support.database import migrated_sqlite
from support.public_files import AuditedPublicFiles
from support.randomness import SeededRandomness

ORIGIN = "log.example/hallmark"
T = TypeVar("T")
_AT_ONCE = {"min_checkpoint_interval_seconds": 0, "calm_checkpoint_interval_seconds": 0}


class LogWorld:
    """`files` audits every checkpoint it is given. `open` builds a log on whatever is there; nothing runs by itself."""

    def __init__(
        self, folder: Path, *, files: PublicFiles | None = None, url: str | None = None, **settings: float
    ) -> None:
        """url: of a database with all tables; None: SQLite in the folder."""
        self.folder = folder
        self.url = url or f"sqlite:///{self.path}"
        self.clock = FakeClock()
        self.provider = FakeKeyProvider()
        self.audited = AuditedPublicFiles(ORIGIN)
        self.files: PublicFiles = self.audited if files is None else files
        self.settings = LogSettings(origin=ORIGIN, **{**_AT_ONCE, **settings})
        self.memories: list[Memory] = []
        self.make_database: Callable[[str], Database] = Database
        self.recorded: list[LogPromise] = []
        self._randomness = SeededRandomness()
        self._is_provider_started = False
        if url is None:
            self.path.write_bytes(migrated_sqlite())

    @property
    def path(self) -> Path:
        return self.folder / "log.db"

    async def open(self) -> TransparencyLog:
        """Not prepared, not started."""
        if not self._is_provider_started:
            await self.provider.start()
            self._is_provider_started = True
        self.database = self.make_database(self.url)
        self.log = self.on_same_data(self.files)
        return self.log

    def on_same_data(self, files: PublicFiles, database: Database | None = None) -> TransparencyLog:
        """Another log object, as another replica has it."""
        return TransparencyLog(
            database=database or self.database,
            provider=self.provider,
            public_files=files,
            clock=self.clock,
            settings=self.settings,
            memories=self.memories,
        )

    async def close(self) -> None:
        await self.log.close()
        self.database.close()

    async def reopen(self) -> TransparencyLog:
        await self.close()
        return await self.open()

    def backup(self) -> bytes:
        """The database file. Close first: what is not in the file yet would be missing."""
        return self.path.read_bytes()

    def restore(self, content: bytes) -> None:
        for path in self.folder.glob("log.db*"):
            path.unlink()
        self.path.write_bytes(content)

    def copy_to(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    def entry(self) -> LogEntry:
        key = new_id(self.clock.now(), self._randomness)
        return LogEntry(
            key, "com.example.key.used", "default", "tenants/default/keys/manifest", self.clock.now(), {"n": 1}
        )

    async def act(self, count: int = 1) -> list[LogPromise]:
        """Commits `count` acts in one transaction."""
        entries = [self.entry() for _ in range(count)]
        promises = await self.database.write(lambda tx: [self.log.record(tx, entry) for entry in entries])
        self.recorded += promises
        return promises

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self.database.read(work)

    async def stored(self) -> list[StoredEntry]:
        return await self.read(lambda tx: store.read_entries(tx, 0, 2**40))
