"""Use cases of rotation: on demand, on schedule, and the promotion of a version whose publish lead is over."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.errors import not_found
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys import due, store
from kms.keys.gates import GatedAct, GatedChange, lead_sha256
from kms.keys.generation import MadeVersion
from kms.keys.hsm_errors import to_service_error
from kms.keys.journal import changed_meanwhile, check_etag, version_details
from kms.keys.lifecycle import (
    EVENT_TYPES,
    Action,
    acted,
    activated,
    check_may_rotate,
    rotated,
    straightened,
    with_creation,
)
from kms.keys.model import Key, KeyAnswer, KeyPurpose, KeyVersion, KeyVersionState
from kms.keys.policies import PERIOD_MIN
from kms.keys.service import KeyService
from kms.log.model import LogPromise

OWN_LEAD = timedelta(days=8)
"""Of the keys that sign for the service, when they have none of their own. Longer than a trust bundle is good for, and
counted from the first public one that holds the next version: when that begins to sign, every bundle that still counts
holds it, and the version before signed the first of them.
"""


@dataclass(frozen=True, slots=True)
class RotationService:
    """New versions of keys. With a publish lead a version is PRE_ACTIVE first, and signs when the lead is over."""

    keys: KeyService

    async def rotate(
        self,
        name: KeyName,
        *,
        etag: str = "",
        lead: timedelta | None = None,
        proposal: str = "",
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[Key, LogPromise, bool]:
        """The key, the promise, and whether this is a replay. lead: None takes the key's own.

        Without a lead, a version that waits already becomes the primary one; with a lead that is refused. Raises
        Aborted/ETAG_MISMATCH, FailedPrecondition (KEY_REVOKED, STATE_TRANSITION_INVALID, APPROVAL_REQUIRED...).
        """
        journal, database = self.keys.journal, self.keys.database
        key = await database.read(lambda tx: self._look(tx, request, name, etag, proposal, lead, now))
        if isinstance(key, KeyAnswer):
            return await self.keys.answered(key, published=published, replayed=True)
        if not _lead(key, lead) and (waiting := key.next_version) is not None:
            after = acted(key, waiting.name.version, Action.ACTIVATE, now)

            def activate(tx: Connection) -> KeyAnswer:
                self._ask(tx, key, proposal, lead, now)
                return self._save(tx, key, after, waiting.name, EVENT_TYPES[Action.ACTIVATE], now)

            answer, replayed = await journal.act(request, now, activate)
        else:
            made = await self._next_version(key, _lead(key, lead), now)

            def add(tx: Connection) -> KeyAnswer:
                self._ask(tx, key, proposal, lead, now)
                return self._add(tx, key if etag else _as_it_is_now(tx, key), made, now)

            answer, replayed = await self.keys.generator.commit(
                lambda tx: journal.once(tx, request, now, lambda: add(tx)), made.version
            )
        return await self.keys.answered(answer, published=published, replayed=replayed)

    async def rehearse(self, name: KeyName, *, etag: str = "", lead: timedelta | None = None, now: datetime) -> Key:
        """The key as `rotate` would leave it; the new version has no public key yet. Changes nothing.

        Also tries the HSM. Raises what `rotate` would raise.
        """
        key = await self.keys.get(name)
        check_etag(name, etag, key.etag)
        begin = now + _lead(key, lead)
        waiting = key.next_version
        if waiting is not None and begin == now:
            return acted(key, waiting.name.version, Action.ACTIVATE, now)
        check_may_rotate(key)
        try:
            await self.keys.provider.health()
        except HsmError as error:
            raise to_service_error(error) from error
        planned = KeyVersion(
            name=_next_name(key),
            algorithm=key.algorithm,
            state=KeyVersionState.PRE_ACTIVE if begin > now else KeyVersionState.ACTIVE,
            material=None,
            public_bytes=b"",
            create_time=now,
            activate_time=begin,
        )
        return rotated(key, planned)

    async def rotate_due(self, name: KeyName, now: datetime) -> bool:
        """What the schedule asks for: at most one rotation, however many were missed. False when there was none.

        A key that an operator stopped is not started again by its schedule, and one version waits at a time.
        """
        if not await self.keys.database.write(lambda tx: due.claim_rotation(tx, name, now)):
            return False
        key = await self.keys.get(name)
        if key.primary is None or key.next_version is not None:
            await self.keys.database.write(lambda tx: _look_again_later(tx, key, now))
            return False
        made = await self._next_version(key, _lead(key, None), now)
        await self.keys.generator.commit(lambda tx: (self._add(tx, key, made, now), False), made.version)
        return True

    async def replan(self, name: KeyName, now: datetime) -> bool:
        """Plans the next rotation from now, when a clock that was ahead put it too far away. False when it is not."""

        def work(tx: Connection) -> bool:
            key = store.find_key(tx, name)
            if key is None or (after := straightened(key, now)) == key:
                return False
            return store.save_key(tx, key, after, now=now)

        return await self.keys.database.write(work)

    async def promote_due(self, name: KeyVersionName, now: datetime, *, published: datetime) -> bool:
        """Makes a version the primary one if its lead is over. False when there is nothing to do (any more).

        published: since when a public trust bundle holds it. A key that an operator stopped stays stopped.
        """

        def work(tx: Connection) -> bool:
            key = store.find_key(tx, name.key_name)
            version = None if key is None else key.version(name.version)
            waiting = None if version is None else due.Waiting.of(version)
            if key is None or waiting is None or not waiting.may_begin(published, now):
                return False
            if key.primary is None or key.revoke_time is not None:
                return False
            after = activated(key, name.version, now)
            self._save(tx, key, after, name, EVENT_TYPES[Action.ACTIVATE], now)
            return True

        return await self.keys.database.write(work)

    def _look(
        self,
        tx: Connection,
        request: RequestKey,
        name: KeyName,
        etag: str,
        proposal: str,
        lead: timedelta | None,
        now: datetime,
    ) -> Key | KeyAnswer:
        """The key that may be rotated, or the answer of an earlier call."""
        if (earlier := self.keys.journal.earlier(tx, request)) is not None:
            return earlier
        key = store.find_key(tx, name)
        if key is None:
            raise not_found(str(name))
        check_etag(name, etag, key.etag)
        self._ask(tx, key, proposal, lead, now, only_check=True)
        return key

    def _ask(
        self,
        tx: Connection,
        key: Key,
        proposal: str,
        lead: timedelta | None,
        now: datetime,
        *,
        only_check: bool = False,
    ) -> None:
        """Whether one of the service's own keys may be rotated: clients believe what it signs."""
        if not key.purpose.is_own:
            return
        ask = self.keys.gate.check if only_check else self.keys.gate.consume
        ask(tx, proposal, GatedChange(GatedAct.TRUST_ROOT_CHANGE, str(key.name), lead_sha256(lead)), now)

    async def _next_version(self, key: Key, lead: timedelta, now: datetime) -> MadeVersion:
        check_may_rotate(key)
        return await self.keys.generator.generate(
            _next_name(key),
            key.purpose,
            key.algorithm,
            now=now,
            begin=now + lead,
            exportable=key.settings.may_leave,
        )

    def _add(self, tx: Connection, key: Key, made: MadeVersion, now: datetime) -> KeyAnswer:
        """The log's word comes first: the row of the version names it."""
        after = rotated(key, made.version)
        version = after.version(made.version.name.version)
        assert version is not None
        details = {**version_details(version), **made.record}
        promise = self.keys.journal.record(tx, "key.rotated", version.name, now, details, made.committed)
        if not store.save_key(tx, key, with_creation(after, version.name, promise.event_key), now=now):
            raise changed_meanwhile(key.name)
        return KeyAnswer(key=str(key.name), promise=promise)

    def _save(
        self, tx: Connection, before: Key, after: Key, version: KeyVersionName, event_type: str, now: datetime
    ) -> KeyAnswer:
        if not store.save_key(tx, before, after, now=now):
            raise changed_meanwhile(before.name)
        changed = after.version(version.version)
        assert changed is not None
        promise = self.keys.journal.record(tx, event_type, version, now, version_details(changed))
        return KeyAnswer(key=str(before.name), promise=promise)


def _as_it_is_now(tx: Connection, key: Key) -> Key:
    """Who gives no etag does not mind what changed while the HSM worked, such as a label; another version is minded."""
    current = store.find_key(tx, key.name)
    if current is None or current.next_number != key.next_number:
        raise changed_meanwhile(key.name)
    check_may_rotate(current)
    return current


def _look_again_later(tx: Connection, key: Key, now: datetime) -> None:
    store.save_key(tx, key, replace(key, next_rotation_time=now + PERIOD_MIN), now=now)


def _lead(key: Key, lead: timedelta | None) -> timedelta:
    """A key that signs for the service always has one, unless it is said otherwise: see OWN_LEAD."""
    if lead is not None:
        return lead
    own = key.settings.rotation.publish_lead
    return OWN_LEAD if key.purpose is KeyPurpose.SERVICE and not own else own


def _next_name(key: Key) -> KeyVersionName:
    return KeyVersionName(key.name.tenant, key.name.key, key.next_number)
