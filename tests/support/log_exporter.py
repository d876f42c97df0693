"""A process for tests that kill it: appends to the log of a folder, copies it to a bucket and tidies both, until killed.

Prints "copied" once, when the bucket shows a checkpoint. usage: python -m support.log_exporter FOLDER BUCKET ENDPOINT
"""

import asyncio
import sys
import time
import uuid
from functools import partial
from pathlib import Path

from kms.core.clock import SystemClock
from kms.log.model import LogEntry
from kms.log.published.exporting import Exporter
from kms.log.published.tidying import Tidying
from kms.public.files import FolderPublicFiles
from kms.public.object_store import BucketAddress, open_bucket
from support.log_appender import ORIGIN, open_log

ENTRIES_AT_ONCE = 37


async def run(folder: Path, address: BucketAddress) -> None:
    database, log = await open_log(folder)
    await log.start()
    source, target = FolderPublicFiles(folder / "public"), open_bucket(address)
    exporter = Exporter(
        source,
        target,
        place=str(address),
        origin=ORIGIN,
        published=lambda: log.published,
        check=log.check_shown,
        monotonic=time.monotonic,
    )
    tidyings = [
        Tidying(
            files,
            size=lambda: 0 if exporter.shown is None else exporter.shown.head.size,
            grace_seconds=0,
            monotonic=time.monotonic,
        )
        for files in (source, target)
    ]
    clock, told = SystemClock(), False
    while True:
        entries = [
            LogEntry(str(uuid.uuid4()), "com.example.key.used", "default", "tenants/default/keys/a", clock.now())
            for _ in range(ENTRIES_AT_ONCE)
        ]
        promises = await database.write(partial(log.record_many, entries=entries))
        await log.confirm_many(promises, published=True)
        await exporter.round()
        for tidying in tidyings:
            await tidying.round()
        if not told:
            sys.stdout.write("copied\n")
            sys.stdout.flush()
            told = True


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), BucketAddress(bucket=sys.argv[2], endpoint=sys.argv[3], region="us-east-1")))
