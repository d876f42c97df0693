"""RequestArtifactKey, hop by hop: (1) a read transaction: seen before? may this device have the key now? (2) a lease,
by the use case of kms.consent, where one is needed and a consent was named; (3) no transaction: a signer process opens
the content key, and it is sealed to the device; (4) one write transaction: may it still? count the use, write down that
the device holds it, log it. Only then the sealed key leaves.

A retry gets the same envelope, while (1) lets it.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy.engine import Connection

from hallmark_envelope import HpkeKem, MalformedKey, seal_envelope
from hsm.secret import Secret
from kms.consent.acquiring import LeaseService, Wanted
from kms.consent.leases import Lease
from kms.core.database import Database
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName
from kms.envelopes.opening import EnvelopeOpener
from kms.events.appending import Events
from kms.keys import store as key_store
from kms.keys.usage import limit_reached
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.releases import holder_store
from kms.releases.conditions import Asked, KeyConditions, Standing, key_missing, lease_required
from kms.releases.entries import released_details
from kms.releases.info import key_info


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWanted:
    """`lease_request`: of the lease, where one is acquired on the way. `consent`: to acquire it from."""

    asked: Asked
    nonce: bytes
    consent: ChildName | None
    request: RequestKey
    lease_request: RequestKey
    published: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    """What RequestArtifactKey remembers for a replay: what only this device can open."""

    kem_id: int
    envelope: bytes
    info: bytes
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class Given:
    """The sealed key of `release`, and the lease that it rests on."""

    release: str
    answer: KeyAnswer
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The content key for this device, not logged yet. `kem_id`: of the device's key."""

    kem_id: int
    envelope: bytes
    info: bytes


@dataclass(slots=True, kw_only=True)
class ArtifactKeys:
    """Gives devices the keys of artifacts, each for itself."""

    events: Events
    opener: EnvelopeOpener
    leases: LeaseService
    conditions: KeyConditions
    _replays: Replays[KeyAnswer] = field(default_factory=lambda: Replays(KeyAnswer))

    @property
    def database(self) -> Database:
        return self.events.database

    async def give(self, wanted: KeyWanted) -> Given:
        """Raises as KeyConditions.find does; FailedPrecondition/LEASE_REQUIRED, and what acquiring the lease raises;
        ResourceExhausted at a limit of the envelope key; Unavailable/VERDICT_CHANGED.
        """
        earlier, standing = await self.database.read(partial(self._look, wanted=wanted))
        if standing.needs_lease and standing.lease is None:
            standing = replace(standing, lease=await self._acquire(wanted))
        if earlier is None:
            plaintext = await self._open(standing)
            sealed = _seal(standing, wanted, plaintext)
            given = await self.database.write(partial(self._commit, wanted=wanted, before=standing, sealed=sealed))
        else:
            given = Given(str(standing.release.name), earlier, standing.lease)
        promise = await self.events.log.confirm(given.answer.promise, published=wanted.published)
        return replace(given, answer=replace(given.answer, promise=promise))

    def _look(self, tx: Connection, *, wanted: KeyWanted) -> tuple[KeyAnswer | None, Standing]:
        return self._replays.find(tx, wanted.request), self.conditions.find(tx, wanted.asked)

    async def _acquire(self, wanted: KeyWanted) -> Lease:
        """The device asks for itself. Raises LEASE_REQUIRED without a consent, or when what it gave is over already."""
        asked = wanted.asked
        if wanted.consent is None:
            raise lease_required(asked.artifact)
        about = Wanted(consent=wanted.consent, device=asked.device, artifact=asked.artifact, for_itself=True)
        lease = await self.leases.acquire(about, request=wanted.lease_request, now=asked.now)
        if not lease.is_live_at(asked.now):  # of an earlier attempt under the same request_id
            raise lease_required(asked.artifact)
        return lease

    async def _open(self, standing: Standing) -> Secret:
        self.opener.rates.take(standing.key.name, standing.key.settings.usage_limits.per_second)
        sealed = standing.release.content_key
        return await self.opener.decrypt(standing.version, sealed.envelope, sealed.info)

    def _commit(self, tx: Connection, *, wanted: KeyWanted, before: Standing, sealed: _Sealed) -> Given:
        asked, release = wanted.asked, before.release
        holder = holder_store.lock(tx, asked.device, asked.artifact)
        earlier = self._replays.find(tx, wanted.request)
        lease = self.conditions.check_still(tx, asked, before, holder)
        if earlier is not None:  # a twin of this call was faster
            return Given(str(release.name), earlier, lease)
        if not key_store.count_uses(tx, before.key.name, 1):
            raise limit_reached(before.key.name)
        promise = self._record(tx, asked, before, sealed, lease)
        holder_store.set_released(tx, holder, leased=lease is not None, now=asked.now)
        answer = KeyAnswer(kem_id=sealed.kem_id, envelope=sealed.envelope, info=sealed.info, promise=promise)
        self._replays.store(tx, wanted.request, answer, asked.now)
        return Given(str(release.name), answer, lease)

    def _record(
        self, tx: Connection, asked: Asked, standing: Standing, sealed: _Sealed, lease: Lease | None
    ) -> LogPromise:
        events, artifact = self.events, asked.artifact
        details = released_details(
            standing.release, envelope=sealed.envelope, info=sealed.info, verdict=standing.vouched.verdict
        )
        entry = LogEntry(
            events.new_id(asked.now), "artifact-key.released", artifact.tenant, str(artifact), asked.now, details
        )
        facts = {"device": str(asked.device)} | ({} if lease is None else {"lease": str(lease.name)})
        return record_with_facts(tx, events.log, entry, facts, events.randomness)


def _seal(standing: Standing, wanted: KeyWanted, plaintext: Secret) -> _Sealed:
    """Raises FailedPrecondition/DEVICE_KEY_MISSING for bytes that were registered and are no key."""
    device, key = wanted.asked.device, standing.hpke_key
    info = key_info(standing.release, device, key, wanted.nonce)
    try:
        envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), plaintext.reveal(), info=info)
    except MalformedKey:
        raise key_missing(device) from None
    return _Sealed(key.kem_id, envelope, info)
