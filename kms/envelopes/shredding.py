"""Shredding: the private half of an epoch is destroyed at once, and the log can prove when.

In one transaction: the approval is used, the sealed half is erased from its row, the version is DESTROYED, the log says
so. After it the HSM removes what it may hold. A backup of the database still holds the sealed half, under a
key-encryption key: shredding counts for a backup when that key is destroyed too, or the backup.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from hsm.material import KeyMaterial
from kms.approvals.model import PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.core.errors import not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import KeyVersionName
from kms.envelopes.model import Shredding, shredded
from kms.keys import materials, store
from kms.keys.journal import changed_meanwhile, version_details
from kms.keys.model import Key
from kms.keys.service import KeyService
from kms.log.model import LogPromise

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShredAnswer:
    shred_time: datetime
    promise: LogPromise


@dataclass(slots=True)
class Shredder:
    keys: KeyService
    approvals: ApprovalService
    _replays: Replays[ShredAnswer] = field(default_factory=lambda: Replays(ShredAnswer))

    async def shred(
        self, name: KeyVersionName, *, proposal: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[Shredding, bool]:
        """The proof, and whether it is an earlier one.

        Raises NotFound, FailedPrecondition (STATE_TRANSITION_INVALID, APPROVAL_REQUIRED and its relatives).
        """
        material: KeyMaterial | None = None

        def commit(tx: Connection) -> tuple[ShredAnswer, bool]:
            nonlocal material
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier, True
            key = _find(tx, name)
            after = shredded(key, name.version, now)
            planned = PlannedAct(act=ProposedAct.SHRED, subject=str(name))
            self.approvals.consume(tx, proposal, planned, now)
            answer = ShredAnswer(shred_time=now, promise=self._erase(tx, key, after, name, now))
            self._replays.store(tx, request, answer, now)
            before = key.version(name.version)
            material = None if before is None else before.material
            return answer, False

        answer, replayed = await self.keys.database.write(commit)
        if material is not None:
            await self._remove(name, material)
        promise = await self.keys.log.confirm(answer.promise, published=published)
        return Shredding(shred_time=answer.shred_time, promise=promise), replayed

    def _erase(self, tx: Connection, key: Key, after: Key, name: KeyVersionName, now: datetime) -> LogPromise:
        if not store.save_key(tx, key, after, now=now):
            raise changed_meanwhile(key.name)
        gone = after.version(name.version)
        assert gone is not None
        materials.erase_material(tx, name, public_key=gone.public_bytes)
        return self.keys.journal.record(tx, "epoch.shredded", name, now, version_details(gone))

    async def _remove(self, name: KeyVersionName, material: KeyMaterial) -> None:
        """The sealed half is erased already; this is for a half that the token holds itself."""
        try:
            await self.keys.provider.destroy(material)
        except HsmError as error:
            _logger.warning("%s was shredded; what the token may hold of it could not be removed: %s", name, error)


def _find(tx: Connection, name: KeyVersionName) -> Key:
    key = store.find_key(tx, name.key_name)
    if key is None:
        raise not_found(str(name))
    return key
