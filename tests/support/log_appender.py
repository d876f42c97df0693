"""A process for tests that kill it: starts the log of a folder and appends until it is killed.

Prints one line for each entry it got a proof for: event key, index. usage: python -m support.log_appender FOLDER
"""

import asyncio
import sys
import uuid
from functools import partial
from pathlib import Path

from kms import migrations
from kms.core.clock import SystemClock
from kms.core.database import Database
from kms.log.model import LogEntry, LogSettings
from kms.log.service import TransparencyLog
from kms.public.files import FolderPublicFiles
from support.file_key_provider import FileKeyProvider

ORIGIN = "log.example/killed"
WRITERS = 8


async def open_log(folder: Path) -> tuple[Database, TransparencyLog]:
    provider = FileKeyProvider(folder / "token")
    await provider.start()
    database = Database(f"sqlite:///{folder}/log.db")
    migrations.upgrade(database.engine)
    log = TransparencyLog(
        database=database,
        provider=provider,
        public_files=FolderPublicFiles(folder / "public"),
        clock=SystemClock(),
        settings=LogSettings(origin=ORIGIN, min_checkpoint_interval_seconds=0),
    )
    return database, log


async def append_for_ever(folder: Path) -> None:
    database, log = await open_log(folder)
    await log.start()

    async def append() -> None:
        clock = SystemClock()
        while True:
            entry = LogEntry(
                str(uuid.uuid4()), "com.example.key.used", "default", "tenants/default/keys/a", clock.now()
            )
            promise = await database.write(partial(log.record, entry=entry))
            promise = await log.confirm(promise, published=True)
            sys.stdout.write(f"{promise.event_key} {promise.leaf_index}\n")
            sys.stdout.flush()

    await asyncio.gather(*(append() for _ in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(append_for_ever(Path(sys.argv[1])))
