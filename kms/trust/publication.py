"""The public files of trust bundles: one that never changes for each, and `latest.json`."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime

from kms.core.database import Database
from kms.public.errors import PublicFilesError
from kms.public.files import PublicFile, PublicFiles
from kms.trust import store
from kms.trust.model import TrustBundle, latest_path
from kms.trust.payload import public_document

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BundlePublisher:
    """Several replicas may publish the same bundle: the content is the same."""

    database: Database
    files: PublicFiles

    async def publish_due(self, now: datetime) -> int:
        """Writes the public files of what was made; gives how many. What fails is tried again the next time."""
        count = 0
        for bundle in await self.database.read(store.unpublished):
            try:
                await self._publish(bundle, now)
                count += 1
            except PublicFilesError as error:
                _logger.warning("%s could not be published yet: %s", bundle.public_path, error)
        return count

    async def newest_published(self, tenant: str) -> int:
        """Number of the newest public bundle. After a restored backup it is ahead of the database: never reuse it."""
        try:
            return _sequence_in(await self.files.read(latest_path(tenant)))
        except PublicFilesError:
            return 0

    async def _publish(self, bundle: TrustBundle, now: datetime) -> None:
        document = public_document(bundle)
        await self.files.add([PublicFile(bundle.public_path, document)])
        await self.files.replace(
            PublicFile(latest_path(bundle.tenant), document),
            unless=lambda there: _sequence_in(there) >= bundle.sequence,
        )
        await self.database.write(lambda tx: store.mark_published(tx, bundle, now))


def _sequence_in(document: bytes | None) -> int:
    """Of a published file of ours; 0 for none, or for bytes that are not one."""
    try:
        return 0 if document is None else int(json.loads(document)["sequence"])
    except (ValueError, TypeError, KeyError):
        return 0
