"""The log as its public files show it: what an edge may say of it.

The database knows checkpoints that are not published yet. Nobody may see one before the places that guard against a
rollback were told of it, so an edge believes the files alone.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Final

from hallmark_tlog.tiles import CHECKPOINT_PATH
from kms.core.database import Database
from kms.core.errors import Reason, Unavailable
from kms.core.wakeup import Wakeup
from kms.log import proofs
from kms.log.errors import LogFrozen
from kms.log.memory.guard import read_published
from kms.log.model import ConsistencyProof, InclusionProof, PublishedCheckpoint
from kms.public.errors import PublicFilesUnavailable
from kms.public.files import PublicFiles

LOOK_SECONDS: Final = 0.5
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ShownLog:
    """The reading half of kms.log.service.TransparencyLog. `files`: those of the live log."""

    database: Database
    files: PublicFiles
    origin: str
    published: PublishedCheckpoint | None = None
    published_changes: Wakeup = field(default_factory=Wakeup)

    async def run(self) -> None:
        """Looks at the files again and again, until cancelled."""
        told = False
        while True:
            try:
                await self.look()
                told = False
            except (LogFrozen, PublicFilesUnavailable, OSError) as error:
                if not told:
                    _logger.warning("the published checkpoint can not be read: %s", error)
                told = True
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Raises LogForked for a checkpoint of another log, and what the files raise. A smaller one is not believed:
        mirrors may show an older state for a while.
        """
        found = read_published(await self.files.read(CHECKPOINT_PATH), self.origin)
        if found is None or (self.published is not None and found.head.size < self.published.head.size):
            return
        if self.published is None or found.note != self.published.note:
            self.published = found
            self.published_changes.notify()

    async def checkpoint(self) -> PublishedCheckpoint:
        """Raises Unavailable before there is any."""
        if self.published is None:
            with contextlib.suppress(LogFrozen, PublicFilesUnavailable, OSError):
                await self.look()
        if self.published is None:
            raise Unavailable(
                Reason.RESOURCE_NOT_FOUND, "no checkpoint is published here yet; retry", retry_after_seconds=1
            )
        return self.published

    async def inclusion_proof(self, entry: int | str, *, tree_size: int = 0) -> InclusionProof:
        """See kms.log.proofs."""
        published = await self.checkpoint()
        return await self.database.read(lambda tx: proofs.inclusion_proof(tx, published, entry, tree_size))

    async def consistency_proof(self, old_size: int, *, new_size: int = 0) -> ConsistencyProof:
        """See kms.log.proofs."""
        published = await self.checkpoint()
        return await self.database.read(lambda tx: proofs.consistency_proof(tx, published, old_size, new_size))
