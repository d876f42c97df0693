"""Taking a consent back: one transaction ends it with its leases, and asks every device for its removal.

Hop by hop: (1) a read transaction: seen before? still open? who had leases? (2) no transaction: the service signs the
end and one request for each device and artifact; (3) one write transaction, which begins anew when a lease was given
meanwhile.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy.engine import Connection

from kms.consent import lease_store
from kms.consent.ending import End, Endings, PreparedEnd, pairs_of
from kms.consent.giving import Pair
from kms.consent.model import Consent, ConsentState
from kms.consent.service import ROUNDS_MAX, ConsentAnswer, Outcome, changes_too_often, recall, require
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName
from kms.events.appending import Overtaken
from kms.events.model import InitiatingEntity


@dataclass(frozen=True, slots=True)
class _Open:
    consent: Consent
    pairs: frozenset[Pair]


@dataclass(slots=True, kw_only=True)
class WithdrawalService:
    endings: Endings
    _replays: Replays[ConsentAnswer] = field(default_factory=lambda: Replays(ConsentAnswer))

    async def withdraw(
        self,
        name: ChildName,
        reason: str,
        *,
        request: RequestKey,
        transaction_id: str,
        now: datetime,
        published: bool,
    ) -> Outcome:
        """By the person. Withdrawing twice answers with the first withdrawal.

        Raises not-found, and FailedPrecondition/STATE_TRANSITION_INVALID when it ended in another way.
        """
        events = self.endings.events
        end = End(
            state=ConsentState.WITHDRAWN,
            reason=reason,
            initiating_entity=InitiatingEntity.USER,
            now=now,
            transaction_id=transaction_id,
        )
        for _ in range(ROUNDS_MAX):
            found = await events.database.read(lambda tx: self._find(tx, name, request, now))
            if isinstance(found, Outcome):
                await events.database.write(partial(self._remember, request=request, outcome=found, now=now))
                return await self._confirmed(found, published=published)
            prepared = await self.endings.prepare(found.consent, end, found.pairs)
            try:
                outcome = await events.database.write(
                    partial(self._commit, prepared=prepared, request=request, now=now)
                )
            except Overtaken:
                continue
            events.notify(name.tenant)
            return await self._confirmed(outcome, published=published)
        raise changes_too_often(name)

    def _find(self, tx: Connection, name: ChildName, request: RequestKey, now: datetime) -> Outcome | _Open:
        if (answer := self._replays.find(tx, request)) is not None:
            return recall(tx, answer)
        consent = require(tx, name)
        if consent.state is ConsentState.WITHDRAWN:
            return recall(tx, _answer(consent))
        consent.check_open(now)
        return _Open(consent, pairs_of(lease_store.of_consent(tx, name)))

    def _commit(self, tx: Connection, *, prepared: PreparedEnd, request: RequestKey, now: datetime) -> Outcome:
        if (answer := self._replays.find(tx, request)) is not None:
            return recall(tx, answer)
        change = self.endings.end_in(tx, prepared)
        outcome = Outcome(prepared.consent, change, replayed=False)
        self._remember(tx, request, outcome, now)
        return outcome

    def _remember(self, tx: Connection, request: RequestKey, outcome: Outcome, now: datetime) -> None:
        if self._replays.find(tx, request) is None:
            self._replays.store(tx, request, _answer(outcome.consent), now)

    async def _confirmed(self, outcome: Outcome, *, published: bool) -> Outcome:
        promise = await self.endings.events.log.confirm(outcome.change.promise, published=published)
        return replace(outcome, change=replace(outcome.change, promise=promise))


def _answer(consent: Consent) -> ConsentAnswer:
    return ConsentAnswer(tenant=consent.name.tenant, consent=consent.name.id, revision=consent.revision)
