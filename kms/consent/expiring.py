"""What ends without a call: consents whose time is over, and removals that a revocation left to ask for.

Expiry needs none of this: a lease never outlasts its consent, and a consent past its time counts as expired wherever it
is read. What is done here tells it: in the record, the log, the feeds and the public status lists.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.consent import lease_store, store
from kms.consent.ending import End, Endings, pairs_of
from kms.consent.model import Consent, ConsentState
from kms.events.appending import Overtaken
from kms.events.model import InitiatingEntity

_AT_ONCE: Final = 100


@dataclass(slots=True, kw_only=True)
class Expiry:
    """Several replicas may do this, and one of them succeeds."""

    endings: Endings

    async def expire_due(self, now: datetime) -> int:
        """Writes down that consents expired; their leases have ended by themselves before that."""
        done = 0
        end = End(state=ConsentState.EXPIRED, reason="", initiating_entity=InitiatingEntity.SYSTEM, now=now)
        while due := await self.endings.events.database.read(lambda tx: store.over_by(tx, now, limit=_AT_ONCE)):
            for consent in due:
                done += await self._end(consent, end)
        return done

    async def request_removals(self, now: datetime) -> int:
        """For consents that were revoked: nothing can be signed inside the transaction that does it."""
        done = 0
        while due := await self.endings.events.database.read(lambda tx: store.removals_due(tx, limit=_AT_ONCE)):
            for consent in due:
                done += await self._request(consent, now)
        return done

    async def _end(self, consent: Consent, end: End) -> bool:
        events = self.endings.events
        prepared = await self.endings.prepare(consent, end, ())
        try:
            change = await events.database.write(partial(self.endings.end_in, prepared=prepared))
        except Overtaken:
            return False  # it was renewed or withdrawn meanwhile
        events.notify(consent.name.tenant)
        await events.log.confirm(change.promise, published=False)
        return True

    async def _request(self, consent: Consent, now: datetime) -> bool:
        events = self.endings.events
        leases = await events.database.read(lambda tx: lease_store.of_consent(tx, consent.name))
        end = End(state=consent.state, reason="", initiating_entity=InitiatingEntity.SYSTEM, now=now)
        prepared = await self.endings.order(consent, end, pairs_of(leases))

        def request(tx: Connection) -> bool:
            if not store.take_removal_due(tx, consent.name):
                return False
            for each in prepared:
                self.endings.removals.request_in(tx, each)
            return True

        done = await events.database.write(request)
        events.notify(consent.name.tenant)
        await events.log.confirm_many([], published=False)
        return done
