"""Makes trust bundles when they are out of date. Their public files: publication.py.

A change of a key grows a count in its own transaction (kms.keys.changes); a bundle remembers the counts it shows. So
nothing is forgotten by a crash, and any replica can make the next bundle: of two that do, one commits.
"""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import Aborted, Reason, ServiceError, Unavailable
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.keys import changes
from kms.keys import store as key_store
from kms.keys.model import SYSTEM_TENANT, Key, ServiceSignature
from kms.keys.signing import SigningService
from kms.log.model import LogEntry
from kms.log.service import TransparencyLog
from kms.trust import store
from kms.trust.model import BUNDLE_CONTEXT, SIGNING_KEY_ID, Coverage, TrustBundle
from kms.trust.payload import bundle_payload, is_shown, next_change_time
from kms.trust.publication import BundlePublisher

_logger = logging.getLogger(__name__)
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Draft:
    """What the next bundle of a tenant is made from. `after`: number of the newest one, 0 for none."""

    after: int
    keys: Sequence[Key]
    coverage: Coverage


@dataclass(slots=True, kw_only=True)
class BundleMaker:
    database: Database
    signing: SigningService
    log: TransparencyLog
    publisher: BundlePublisher
    randomness: Randomness
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def current(self, tenant: str, now: datetime) -> TrustBundle:
        """The bundle that shows every change committed before the call; made now when there is none yet.

        While the HSM is away it is the newest there is, as long as there is one; otherwise raises Unavailable.
        """
        async with self._locks[tenant]:
            for _ in range(_ATTEMPTS):
                latest, draft = await self.database.read(lambda tx: _look(tx, tenant, now))
                if draft is None:
                    assert latest is not None
                    return latest
                try:
                    return await self._make(tenant, draft, now)
                except Aborted:  # another replica made it meanwhile
                    continue
                except ServiceError as error:
                    if latest is None:
                        raise
                    _logger.warning("the trust bundle of %s stays at %s: %s", tenant, latest.sequence, error)
                    return latest
            raise Unavailable(Reason.INTERNAL, "the trust bundle changes too fast; retry", retry_after_seconds=1)

    async def make_due(self, now: datetime) -> int:
        """Makes every bundle that is out of date; gives how many there were."""
        tenants = await self.database.read(lambda tx: _outdated(tx, now))
        for tenant in tenants:
            try:
                await self.current(tenant, now)
            except ServiceError as error:
                _logger.warning("the trust bundle of %s can not be made yet: %s", tenant, error)
        return len(tenants)

    async def _make(self, tenant: str, draft: _Draft, now: datetime) -> TrustBundle:
        sequence = 1 + max(draft.after, await self.publisher.newest_published(tenant))
        payload = bundle_payload(tenant, sequence, draft.keys, now)
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, BUNDLE_CONTEXT, now)

        def commit(tx: Connection) -> TrustBundle:
            if store.latest_sequence(tx, tenant) != draft.after:
                raise _made_elsewhere()
            promise = self.log.record(tx, self._entry(tenant, sequence, payload, signature))
            bundle = TrustBundle(
                tenant=tenant, sequence=sequence, payload=payload, signature=signature, promise=promise
            )
            shown = [v.name for key in draft.keys for v in key.versions if is_shown(key, v, now)]
            store.insert_bundle(tx, bundle, draft.coverage, shown)
            return bundle

        try:
            bundle = await self.database.write(commit)
        except IntegrityError:
            raise _made_elsewhere() from None
        await self.log.confirm(bundle.promise, published=False)
        return bundle

    def _entry(self, tenant: str, sequence: int, payload: bytes, signature: ServiceSignature) -> LogEntry:
        now = signature.sign_time
        details: dict[str, Json] = {
            "payload_sha256": hashlib.sha256(payload).hexdigest(),
            "sequence": sequence,
            "signed_by": signature.key_version,
        }
        subject = f"tenants/{tenant}/trust-bundles/{sequence}"
        return LogEntry(new_id(now, self.randomness), "trust-bundle.issued", tenant, subject, now, details)


def _made_elsewhere() -> Aborted:
    return Aborted(Reason.INTERNAL, "another replica made this trust bundle")


def _look(tx: Connection, tenant: str, now: datetime) -> tuple[TrustBundle | None, _Draft | None]:
    """The newest bundle, and what the next is made from if that one is out of date.

    The counts are read before the keys: a change in between makes one bundle too many, never one too few.
    """
    own, system = changes.changes_of(tx, tenant), changes.changes_of(tx, SYSTEM_TENANT)
    found = store.find_latest(tx, tenant)
    latest, coverage = found or (None, None)
    if coverage is not None and coverage.is_current(own, system, now):
        return latest, None
    keys = key_store.all_keys(tx, SYSTEM_TENANT)
    if tenant != SYSTEM_TENANT:
        keys += key_store.all_keys(tx, tenant)
    after = 0 if latest is None else latest.sequence
    return latest, _Draft(after, keys, Coverage(own, system, now, next_change_time(keys, now)))


def _outdated(tx: Connection, now: datetime) -> list[str]:
    counts, shown = changes.changes_by_tenant(tx), store.coverages(tx)
    system = counts.get(SYSTEM_TENANT, 0)
    return [
        tenant
        for tenant, own in counts.items()
        if tenant not in shown or not shown[tenant].is_current(own, system, now)
    ]
