"""Use cases of consents: grant, renew, look, receipts. Withdrawing is in withdrawing.py, leases in acquiring.py.

Grant, hop by hop: (1) a read transaction: seen before? are the devices known? (2) no transaction: the service signs the
event and the receipt; (3) one write transaction: record, log entry, receipt, event (held until the log has published
it), leases for the devices that are trusted, answer for replays; then the watchers are woken.
"""

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.engine import Connection

from kms.consent import lease_store, store
from kms.consent.entries import granted_entry, personal_facts, renewed_entry
from kms.consent.giving import Giving
from kms.consent.model import Change, Consent, ConsentArtifact, ConsentState, LeaseTerms, Receipt
from kms.consent.payload import consent_draft
from kms.consent.pseudonyms import Pseudonyms
from kms.consent.receipts import sign_receipt
from kms.core.database import Database
from kms.core.errors import AlreadyExists, InvalidArgument, Reason, Unavailable, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName
from kms.events.appending import Events
from kms.events.model import InitiatingEntity, SignedEvent, device_feed
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogPromise
from kms.status import lists

ROUNDS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What is asked for, checked (kms.consent.requests). `subject` is made into a pseudonym and goes no further."""

    tenant: str
    subject: str
    controller: str
    purposes: tuple[str, ...]
    lawful_basis: str
    artifacts: tuple[ConsentArtifact, ...]
    devices: tuple[ChildName, ...]
    validity: timedelta
    removal_time: timedelta
    terms: LeaseTerms
    withdrawal_method: str
    storage_locations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAnswer:
    """What a mutating call remembers for a replay: nothing about the person."""

    tenant: str
    consent: str
    revision: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The consent as it is now, what the act was promised, and whether this is a replay."""

    consent: Consent
    change: Change
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Signed:
    consent: Consent
    event: SignedEvent
    receipt: Receipt


@dataclass(slots=True, kw_only=True)
class ConsentService:
    """Consents, from their grant on."""

    events: Events
    pseudonyms: Pseudonyms
    giving: Giving
    _replays: Replays[ConsentAnswer] = field(default_factory=lambda: Replays(ConsentAnswer))

    @property
    def database(self) -> Database:
        return self.events.database

    async def grant(
        self, asked: Grant, *, request: RequestKey, transaction_id: str, now: datetime, published: bool
    ) -> Outcome:
        """Raises not-found for a device, FailedPrecondition/DEVICE_REVOKED, AlreadyExists/REQUEST_ID_REUSED.

        `request`: without the subject, which its fingerprint would tell to who guesses; a replay is held against the
        pseudonym instead.
        """
        consent = self._consent(asked, now)
        earlier = await self.database.read(lambda tx: self._before_grant(tx, consent, request))
        if earlier is not None:
            return await self._confirmed(earlier, published=published)
        signed = await self._sign(consent, transaction_id)
        outcome = await self.database.write(lambda tx: self._grant(tx, signed, request))
        self.events.notify(asked.tenant)
        return await self._confirmed(outcome, published=published)

    async def renew(
        self,
        name: ChildName,
        validity: timedelta,
        *,
        request: RequestKey,
        transaction_id: str,
        now: datetime,
        published: bool,
    ) -> Outcome:
        """Raises not-found, FailedPrecondition/STATE_TRANSITION_INVALID once it has ended, and InvalidArgument when it
        would end earlier than before.
        """
        for _ in range(ROUNDS_MAX):
            found = await self.database.read(lambda tx: self._find_open(tx, name, request, now))
            if isinstance(found, Outcome):
                return await self._confirmed(found, published=published)
            signed = await self._sign(_prolonged(found, validity, now), transaction_id)
            outcome = await self.database.write(partial(self._renew, signed=signed, request=request))
            if outcome is not None:
                self.events.notify(name.tenant)
                return await self._confirmed(outcome, published=published)
        raise changes_too_often(name)

    async def get(self, name: ChildName) -> Consent:
        """Raises the uniform not-found."""
        return await self.database.read(lambda tx: require(tx, name))

    async def list(
        self, tenant: str, filters: store.Filters, *, now: datetime, after: str, limit: int
    ) -> Sequence[Consent]:
        """Oldest first."""
        return await self.database.read(
            lambda tx: store.list_consents(tx, tenant, filters, now=now, after=after, limit=limit)
        )

    async def receipt(self, name: ChildName) -> tuple[Consent, Receipt, LogPromise]:
        """The newest one that was issued. Raises the uniform not-found."""
        consent, change = await self.database.read(lambda tx: (require(tx, name), store.newest_receipt(tx, name)))
        assert change is not None and change.receipt is not None  # noqa: PT018 - every grant issues one
        return consent, change.receipt, change.promise

    def _consent(self, asked: Grant, now: datetime) -> Consent:
        return Consent(
            name=ChildName(asked.tenant, "consents", self.events.new_id(now)),
            pii_principal_id=self.pseudonyms.of(asked.tenant, asked.controller, asked.subject),
            controller=asked.controller,
            purposes=asked.purposes,
            lawful_basis=asked.lawful_basis,
            artifacts=asked.artifacts,
            devices=asked.devices,
            state=ConsentState.GIVEN,
            revision=1,
            create_time=now,
            update_time=now,
            expire_time=now + asked.validity,
            removal_time=asked.removal_time,
            terms=asked.terms,
            withdrawal_method=asked.withdrawal_method,
            storage_locations=asked.storage_locations,
        )

    async def _sign(self, consent: Consent, transaction_id: str) -> _Signed:
        now = consent.update_time
        draft = consent_draft(
            consent,
            self.events.new_id(now),
            initiating_entity=InitiatingEntity.USER,
            now=now,
            transaction_id=transaction_id,
        )
        event, receipt = await asyncio.gather(self.events.sign(draft, now), sign_receipt(self.events.signing, consent))
        return _Signed(consent, event, receipt)

    def _before_grant(self, tx: Connection, consent: Consent, request: RequestKey) -> Outcome | None:
        if (earlier := self._earlier(tx, request)) is not None:
            return _of_same_person(earlier, consent)
        for device in consent.devices:
            self.giving.conditions.holders.check_known(tx, device)
        return None

    def _grant(self, tx: Connection, signed: _Signed, request: RequestKey) -> Outcome:
        consent, event, now = signed.consent, signed.event, signed.consent.update_time
        if (earlier := self._earlier(tx, request)) is not None:
            return _of_same_person(earlier, consent)
        self.giving.conditions.artifacts.hold(tx, frozenset(each.name for each in consent.artifacts))
        store.insert(tx, consent)
        lists.allocate(tx, consent.name.tenant, str(consent.name), self.events.randomness)
        entry, facts = granted_entry(consent, event), personal_facts(consent, signed.receipt)
        promise = record_with_facts(tx, self.events.log, entry, facts, self.events.randomness)
        outcome = self._recorded(tx, signed, promise, request)
        trusted = self.giving.conditions.devices(tx, consent.devices)
        holders = [device for device in consent.devices if device in trusted]
        self.giving.give_in(tx, consent, [(each, kind.name) for each in holders for kind in consent.artifacts], now)
        return outcome

    def _find_open(self, tx: Connection, name: ChildName, request: RequestKey, now: datetime) -> Consent | Outcome:
        if (earlier := self._earlier(tx, request)) is not None:
            return earlier
        consent = require(tx, name)
        consent.check_open(now)
        return consent

    def _renew(self, tx: Connection, signed: _Signed, request: RequestKey) -> Outcome | None:
        """None when the consent changed meanwhile."""
        consent, now = signed.consent, signed.consent.update_time
        if (earlier := self._earlier(tx, request)) is not None:
            return earlier
        if not store.renew(tx, consent.name, before=consent.revision - 1, expire_time=consent.expire_time, now=now):
            return None
        lease_store.resume(tx, consent.name, now)
        promise = self.events.log.record(tx, renewed_entry(consent, signed.event))
        return self._recorded(tx, signed, promise, request)

    def _recorded(self, tx: Connection, signed: _Signed, promise: LogPromise, request: RequestKey) -> Outcome:
        """What a grant and a renewal have in common: it allows something, so the event waits for the log."""
        consent = signed.consent
        change = Change(revision=consent.revision, promise=promise, receipt=signed.receipt)
        store.insert_change(tx, consent.name, change)
        if feeds := feeds_of(tx, consent):
            self.events.hold(tx, signed.event, promise, feeds)
        answer = ConsentAnswer(tenant=consent.name.tenant, consent=consent.name.id, revision=consent.revision)
        self._replays.store(tx, request, answer, consent.update_time)
        return Outcome(consent, change, replayed=False)

    def _earlier(self, tx: Connection, request: RequestKey) -> Outcome | None:
        answer = self._replays.find(tx, request)
        return None if answer is None else recall(tx, answer)

    async def _confirmed(self, outcome: Outcome, *, published: bool) -> Outcome:
        promise = await self.events.log.confirm(outcome.change.promise, published=published)
        return replace(outcome, change=replace(outcome.change, promise=promise))


def require(tx: Connection, name: ChildName) -> Consent:
    """Raises the uniform not-found."""
    consent = store.find(tx, name)
    if consent is None:
        raise not_found(str(name))
    return consent


def recall(tx: Connection, answer: ConsentAnswer) -> Outcome:
    """For a replay: the consent as it is now, and what was promised then."""
    name = ChildName(answer.tenant, "consents", answer.consent)
    change = store.find_change(tx, name, answer.revision)
    assert change is not None  # committed with the answer
    return Outcome(require(tx, name), change, replayed=True)


def feeds_of(tx: Connection, consent: Consent) -> list[str]:
    """Of the devices it was given to, and of those that have leases for it."""
    devices = dict.fromkeys([*consent.devices, *lease_store.holders(tx, consent.name)])
    return [device_feed(device) for device in devices]


def changes_too_often(name: ChildName) -> Unavailable:
    return Unavailable(Reason.QUEUE_FULL, f"{name} changes many times at once; retry", retry_after_seconds=1)


def _prolonged(consent: Consent, validity: timedelta, now: datetime) -> Consent:
    expire_time = now + validity
    if expire_time < consent.expire_time:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            "validity_duration counts from now, and would end the consent earlier than it ends already; withdraw it to "
            "end it",
            field="validity_duration",
        )
    return replace(
        consent,
        state=ConsentState.RENEWED,
        revision=consent.revision + 1,
        update_time=now,
        expire_time=expire_time,
    )


def _of_same_person(earlier: Outcome, consent: Consent) -> Outcome:
    """Raises AlreadyExists/REQUEST_ID_REUSED: the fingerprint of the request says nothing about the person."""
    if not hmac.compare_digest(earlier.consent.pii_principal_id, consent.pii_principal_id):
        raise AlreadyExists(
            Reason.REQUEST_ID_REUSED,
            "this request_id was used for another person's consent; make a new UUID for each call",
            field="request_id",
        )
    return earlier
