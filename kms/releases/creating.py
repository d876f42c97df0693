"""CreateRelease, hop by hop: (1) a read transaction: seen before? is it new, may the key version open? (2) no
transaction: a signer process opens the content key's envelope, once, and what came out is looked at and dropped; the
event of a higher minimum epoch is signed; (3) one write transaction: the release, the minimum version of its model with
its event, log entries, answer for replays.

Two releases of one model wait for each other at its row, also on two replicas: epochs only grow.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.artifacts import store as artifact_store
from kms.artifacts.changing import Asker, SignedChange, StatusChanges, next_status
from kms.artifacts.model import ArtifactStatus
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied, Reason, Unavailable
from kms.core.idempotency import Replays
from kms.core.names import DigestName
from kms.envelopes.model import DATA_KEY_BYTES, kem_of, may_open, not_open, opening_version
from kms.envelopes.opening import EnvelopeOpener
from kms.events.appending import Events, Overtaken
from kms.events.model import InitiatingEntity
from kms.keys import signing_store
from kms.keys import store as key_store
from kms.keys.model import KeyVersion
from kms.keys.resolve import find_referenced
from kms.keys.usage import limit_reached
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.releases import store
from kms.releases.entries import created_details
from kms.releases.model import COLLECTION, Listed, Release, ReleaseState, check_available

_ROUNDS_MAX: Final = 8
_FIELD: Final = "content_key_envelope"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAnswer:
    """What CreateRelease remembers for a replay."""

    tenant: str
    release: str
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class Created:
    """The release as it is now, the promise of its log entry, and whether this is a replay."""

    listed: Listed
    promise: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a new release stands on. `minimum`: what is said of its model."""

    version: KeyVersion
    per_second: int | None
    minimum: ArtifactStatus | None


@dataclass(slots=True, kw_only=True)
class ReleaseCreation:
    """Makes releases known."""

    events: Events
    opener: EnvelopeOpener
    _replays: Replays[CreateAnswer] = field(default_factory=lambda: Replays(CreateAnswer))

    @property
    def database(self) -> Database:
        return self.events.database

    async def create(self, wanted: Release, asker: Asker) -> Created:
        """Raises AlreadyExists/RELEASE_EXISTS, FailedPrecondition (EPOCH_NOT_NEWER, ARTIFACT_REVOKED, PURPOSE_MISMATCH,
        KEY_VERSION_NOT_ACTIVE, ...), not-found for the key, InvalidArgument/ENVELOPE_INVALID, ResourceExhausted.
        """
        opened = False
        for _ in range(_ROUNDS_MAX):
            found = await self.database.read(partial(self._look, wanted=wanted, asker=asker))
            if isinstance(found, Created):
                return await self._confirmed(found, asker)
            if not opened:
                await self._check_content_key(wanted, found)
                opened = True
            raised = await self._sign_minimum(wanted, found.minimum, asker)
            try:
                made = await self.database.write(partial(self._commit, wanted=wanted, raised=raised, asker=asker))
            except Overtaken:
                continue
            self.events.notify(wanted.name.tenant)
            return await self._confirmed(made, asker)
        sentence = f"{wanted.model} changes many times at once; retry"
        raise Unavailable(Reason.QUEUE_FULL, sentence, retry_after_seconds=1)

    def _look(self, tx: Connection, *, wanted: Release, asker: Asker) -> Created | _Ready:
        if (earlier := self._replays.find(tx, asker.request)) is not None:
            return _recalled(tx, earlier)
        name = wanted.content_key.key_version
        key, _ = find_referenced(tx, name)
        version = opening_version(key, name.version, asker.now)
        minimum = _check_new(tx, wanted)
        return _Ready(version, key.settings.usage_limits.per_second, minimum)

    async def _check_content_key(self, wanted: Release, ready: _Ready) -> None:
        """A release whose key nobody can open, or that is no AES-256 key, is refused now and not on a million devices.

        A gate of the key is not asked: nothing of what was inside leaves this function.
        """
        sealed, kem = wanted.content_key, kem_of(ready.version)
        if len(sealed.envelope) != kem.overhead + DATA_KEY_BYTES:
            sentence = f"{_FIELD} must hold a key of {DATA_KEY_BYTES} bytes: {kem.overhead + DATA_KEY_BYTES} in all"
            raise InvalidArgument(Reason.ENVELOPE_INVALID, sentence, field=_FIELD)
        self.opener.rates.take(sealed.key_version.key_name, ready.per_second)
        try:
            await self.opener.decrypt(ready.version, sealed.envelope, sealed.info)
        except InvalidArgument as error:
            raise InvalidArgument(error.reason, error.message, field=_FIELD) from error

    async def _sign_minimum(self, wanted: Release, before: ArtifactStatus | None, asker: Asker) -> SignedChange | None:
        """None where so much is said already. What it closes stays closed: for admins, as SetMinimumVersion is."""
        version = wanted.minimum_epoch
        if version <= (0 if before is None else before.minimum_version):
            return None
        if asker.initiating_entity is not InitiatingEntity.ADMIN:
            raise PermissionDenied(Reason.ROLE_NOT_ALLOWED, "only an admin may raise the minimum epoch of a model")
        after = next_status(wanted.model, before, minimum_version=version, now=asker.now)
        return await StatusChanges(self.events).sign(after, asker)

    def _commit(self, tx: Connection, *, wanted: Release, raised: SignedChange | None, asker: Asker) -> Created:
        newest = store.lock_model(tx, wanted.model)
        if (earlier := self._replays.find(tx, asker.request)) is not None:
            return _recalled(tx, earlier)
        _check_new(tx, wanted, newest=newest)
        self._count_use(tx, wanted)
        try:
            with tx.begin_nested():
                store.insert(tx, wanted)
        except IntegrityError:  # the same files under another model, at this moment
            raise _exists(wanted.name) from None
        if raised is not None:
            StatusChanges(self.events).change_in(tx, raised)
        promise = self._record(tx, wanted)
        answer = CreateAnswer(tenant=wanted.name.tenant, release=wanted.name.digest, promise=promise)
        self._replays.store(tx, asker.request, answer, asker.now)
        return Created(Listed(wanted, store.state(tx, wanted)), promise, replayed=False)

    def _count_use(self, tx: Connection, wanted: Release) -> None:
        name = wanted.content_key.key_version
        facts = signing_store.version_facts(tx, name)
        state = None if facts is None else facts.state
        if not may_open(state):
            raise not_open(name, state)
        if not key_store.count_uses(tx, name.key_name, 1):
            raise limit_reached(name.key_name)

    def _record(self, tx: Connection, made: Release) -> LogPromise:
        events, when = self.events, made.create_time
        details: dict[str, Json] = created_details(made)
        entry = LogEntry(events.new_id(when), "release.created", made.name.tenant, str(made.name), when, details)
        return record_with_facts(tx, events.log, entry, {"by": made.creator}, events.randomness)

    async def _confirmed(self, made: Created, asker: Asker) -> Created:
        return replace(made, promise=await self.events.log.confirm(made.promise, published=asker.published))


def _recalled(tx: Connection, answer: CreateAnswer) -> Created:
    found = store.find(tx, DigestName(answer.tenant, COLLECTION, answer.release))
    assert found is not None  # releases are never deleted
    return Created(Listed(found, store.state(tx, found)), answer.promise, replayed=True)


def _check_new(tx: Connection, wanted: Release, *, newest: int = 0) -> ArtifactStatus | None:
    """What is said of the model now. `newest`: its greatest epoch, where it is locked."""
    if store.find(tx, wanted.name) is not None:
        raise _exists(wanted.name)
    minimum = artifact_store.find(tx, wanted.model)
    least = max(newest + 1, 0 if minimum is None else minimum.minimum_version)
    if wanted.epoch < least:
        raise FailedPrecondition(
            Reason.EPOCH_NOT_NEWER,
            f"the next release of {wanted.model} has an epoch of {least} or more, not {wanted.epoch}",
            resource=str(wanted.model),
            metadata={"least": str(least)},
        )
    state = store.state(tx, wanted)
    if state is not ReleaseState.SUSPENDED:  # what is suspended now may be resumed when it is needed
        check_available(wanted.artifact, state)
    return minimum


def _exists(name: DigestName) -> AlreadyExists:
    return AlreadyExists(Reason.RELEASE_EXISTS, f"{name} is known already: a statement is released once")
