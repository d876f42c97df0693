"""Destroys versions whose waiting period is over.

Hop by hop: (1) one transaction: claim, after which a restore is refused; (2) no transaction: the token forgets what it
holds; (3) one transaction: the sealed half is erased from the row, the version is DESTROYED, the log says so. Killed
anywhere, the next round (or another replica, when the claim is old) does it again: destroying twice is harmless.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.errors import ServiceError
from kms.core.names import KeyVersionName
from kms.core.steady_time import SteadyTime
from kms.keys import due, materials, store
from kms.keys.journal import changed_meanwhile, version_details
from kms.keys.lifecycle import destroyed
from kms.keys.model import KeyVersion, KeyVersionState
from kms.keys.service import KeyService

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Destroyer:
    """`steady` decides what is due: what was destroyed because a clock jumped would be lost for good."""

    keys: KeyService
    steady: SteadyTime

    async def run_due(self, now: datetime) -> int:
        """Destroys what is due; gives how many. What fails is logged and left to a later round."""
        count, by = 0, min(now, self.steady.now())
        for name in await self.keys.database.read(lambda tx: due.destructions_due(tx, by)):
            try:
                count += await self._destroy(name, by, now)
            except (HsmError, ServiceError) as error:
                _logger.warning("%s could not be destroyed yet: %s", name, error)
        if count:
            await self.keys.database.drop_overwritten()
        return count

    async def _destroy(self, name: KeyVersionName, by: datetime, now: datetime) -> bool:
        version = await self.keys.database.write(lambda tx: _claim(tx, name, by))
        if version is None:
            return False
        if version.material is not None:
            await self.keys.provider.destroy(version.material)
        return await self.keys.database.write(lambda tx: self._erase(tx, version, now))

    def _erase(self, tx: Connection, version: KeyVersion, now: datetime) -> bool:
        key = store.find_key(tx, version.name.key_name)
        current = None if key is None else key.version(version.name.version)
        if key is None or current is None or current.state is not KeyVersionState.DESTROY_SCHEDULED:
            return False  # a claim that came after ours was faster
        after = destroyed(key, version.name.version, now)
        if not store.save_key(tx, key, after, now=now):
            raise changed_meanwhile(key.name)
        materials.erase_material(tx, version.name, public_key=version.public_bytes)
        gone = after.version(version.name.version)
        assert gone is not None
        self.keys.journal.record(tx, "key-version.destroyed", version.name, now, version_details(gone))
        return True


def _claim(tx: Connection, name: KeyVersionName, now: datetime) -> KeyVersion | None:
    key = store.find_key(tx, name.key_name)
    if key is None or not due.claim_destruction(tx, key, name.version, now):
        return None
    return key.version(name.version)
