"""What follows the published log: the history of checkpoints, tidying, and the copy in an object store."""

import asyncio
import logging
import time
from typing import Final

from kms.config import Config, ConfigError, LogConfig
from kms.core.clock import Clock
from kms.log.errors import LogFrozen
from kms.log.memory.remembered import Memory
from kms.log.model import PublishedCheckpoint
from kms.log.published.exporting import Exporter
from kms.log.published.history import CheckpointHistory
from kms.log.published.tidying import Tidying
from kms.log.service import TransparencyLog
from kms.public.below import below
from kms.public.errors import ObjectStoreUnusable, PublicPathInvalid
from kms.public.files import PublicFiles
from kms.public.object_store import ObjectStorePublicFiles, open_bucket, parse_bucket_url

_CLOSE_SECONDS: Final = 5.0
_logger = logging.getLogger(__name__)


class ReadPlane:
    """Made before the log, which asks `exporter` what its copy remembers; `follow` when it runs; `close` after it."""

    def __init__(self, config: Config, root: PublicFiles, prefix: str, *, origin: str, clock: Clock) -> None:
        """`prefix` is where the log lies below the root of all public files. Raises ConfigError."""
        self.files = files = below(root, prefix)
        self._settings = config.log
        self._log: TransparencyLog | None = None
        self._history = CheckpointHistory(files, origin=origin, clock=clock, published=self._published)
        self._tidyings = [self._tidying(files)]
        self.exporter: Exporter | None = None
        bucket = _bucket(config.log)
        if bucket is not None:
            self.exporter = Exporter(
                files,
                below(bucket, prefix),
                place=str(config.log.export),
                origin=origin,
                published=self._published,
                check=self._check,
                monotonic=time.monotonic,
                roots=(root, bucket),
            )
            self._tidyings.append(self._tidying(below(bucket, prefix), self.exporter))

    @property
    def memories(self) -> list[Memory]:
        """What the log asks at start."""
        return [] if self.exporter is None else [self.exporter]

    def follow(self, log: TransparencyLog) -> None:
        """Begins, until the log is closed."""
        self._log = log
        log.run_beside("history", lambda: self._history.run(self._settings.history_interval_seconds))
        for tidying in self._tidyings:
            log.run_beside("tidying", tidying.run)
        if (exporter := self.exporter) is not None:
            log.run_beside("export", lambda: exporter.run(self._settings.export_interval_seconds))

    async def close(self) -> None:
        """Keeps and copies the last checkpoint. What fails now is left to the next start."""
        if self._log is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._history.attempt()
                if self.exporter is not None:
                    await self.exporter.finish()
        except (TimeoutError, LogFrozen) as error:
            _logger.warning("the copy of the log is left to the next start: %s", str(error) or "it takes too long")

    def _published(self) -> PublishedCheckpoint | None:
        return None if self._log is None else self._log.published

    async def _check(self, shown: PublishedCheckpoint) -> None:
        assert self._log is not None, "nothing is published before the log runs"
        await self._log.check_shown(shown)

    def _tidying(self, files: PublicFiles, exporter: Exporter | None = None) -> Tidying:
        def size() -> int:
            published = self._published() if exporter is None else exporter.shown
            return 0 if published is None else published.head.size

        return Tidying(files, size=size, grace_seconds=self._settings.partial_tiles_seconds, monotonic=time.monotonic)


def _bucket(settings: LogConfig) -> ObjectStorePublicFiles | None:
    if settings.export is None:
        if settings.export_endpoint is not None or settings.export_region is not None:
            raise ConfigError("wrong settings:\n  log.export: an endpoint or region is given, but no bucket to copy to")
        return None
    try:
        address = parse_bucket_url(
            settings.export,
            endpoint=settings.export_endpoint,
            region=settings.export_region,
            path_style=settings.export_path_style,
        )
        return open_bucket(address)
    except (ObjectStoreUnusable, PublicPathInvalid) as error:
        raise ConfigError(f"wrong settings:\n  log.export: {error}") from error
