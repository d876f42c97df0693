"""Use cases of rotation: on demand, on schedule, and the promotion of a version whose publish lead is over."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys import due, store
from kms.keys.hsm_errors import to_service_error
from kms.keys.journal import changed_meanwhile, check_etag, version_details
from kms.keys.lifecycle import EVENT_TYPES, Action, acted, activated, check_may_rotate, rotated
from kms.keys.model import Key, KeyAnswer, KeyVersion, KeyVersionState
from kms.keys.policies import PERIOD_MIN
from kms.keys.service import KeyService
from kms.log.model import LogPromise


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
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[Key, LogPromise, bool]:
        """The key, the promise, and whether this is a replay. lead: None takes the key's own.

        Without a lead, a version that waits already becomes the primary one; with a lead that is refused. Raises
        Aborted/ETAG_MISMATCH when somebody was faster, FailedPrecondition (KEY_REVOKED, STATE_TRANSITION_INVALID).
        """
        journal = self.keys.journal
        earlier = await journal.earlier(request)
        if earlier is not None:
            return await self._answer(earlier, published=published, replayed=True)
        key = await self.keys.get(name)
        check_etag(name, etag, key.etag)
        if not _lead(key, lead) and (waiting := key.next_version) is not None:
            after = acted(key, waiting.name.version, Action.ACTIVATE, now)
            answer, replayed = await journal.act(
                request, now, lambda tx: self._save(tx, key, after, waiting.name, EVENT_TYPES[Action.ACTIVATE], now)
            )
        else:
            version = await self._next_version(key, _lead(key, lead), now)

            def commit(tx: Connection) -> tuple[KeyAnswer, bool]:
                return journal.once(tx, request, now, lambda: self._add(tx, key, version, now))

            answer, replayed = await self.keys.generator.commit(commit, version)
        return await self._answer(answer, published=published, replayed=replayed)

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
        version = await self._next_version(key, key.settings.rotation.publish_lead, now)
        await self.keys.generator.commit(lambda tx: (self._add(tx, key, version, now), False), version)
        return True

    async def promote_due(self, name: KeyVersionName, now: datetime) -> bool:
        """Makes a version the primary one if its lead is over. False when there is nothing to do (any more)."""

        def work(tx: Connection) -> bool:
            key = store.find_key(tx, name.key_name)
            version = None if key is None else key.version(name.version)
            if key is None or version is None or version.state is not KeyVersionState.PRE_ACTIVE:
                return False
            if key.revoke_time is not None or version.activate_time is None or version.activate_time > now:
                return False
            after = activated(key, name.version, now)
            self._save(tx, key, after, name, EVENT_TYPES[Action.ACTIVATE], now)
            return True

        return await self.keys.database.write(work)

    async def _next_version(self, key: Key, lead: timedelta, now: datetime) -> KeyVersion:
        check_may_rotate(key)
        return await self.keys.generator.generate(
            _next_name(key), key.purpose, key.algorithm, now=now, begin=now + lead
        )

    def _add(self, tx: Connection, key: Key, version: KeyVersion, now: datetime) -> KeyAnswer:
        return self._save(tx, key, rotated(key, version), version.name, "key.rotated", now)

    def _save(
        self, tx: Connection, before: Key, after: Key, version: KeyVersionName, event_type: str, now: datetime
    ) -> KeyAnswer:
        if not store.save_key(tx, before, after, now=now):
            raise changed_meanwhile(before.name)
        changed = after.version(version.version)
        assert changed is not None
        promise = self.keys.journal.record(tx, event_type, version, now, version_details(changed))
        return KeyAnswer(key=str(before.name), promise=promise)

    async def _answer(self, answer: KeyAnswer, *, published: bool, replayed: bool) -> tuple[Key, LogPromise, bool]:
        promise = await self.keys.journal.confirm(answer, published=published)
        return await self.keys.get(KeyName.parse(answer.key)), promise, replayed


def _look_again_later(tx: Connection, key: Key, now: datetime) -> None:
    store.save_key(tx, key, replace(key, next_rotation_time=now + PERIOD_MIN), now=now)


def _lead(key: Key, lead: timedelta | None) -> timedelta:
    return key.settings.rotation.publish_lead if lead is None else lead


def _next_name(key: Key) -> KeyVersionName:
    return KeyVersionName(key.name.tenant, key.name.key, key.next_number)
