"""Use cases of keys: create, read, rotate, revoke. No gRPC, no SQL; the HSM is never called inside a transaction."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy.engine import Connection

from hallmark_composite import DEFAULT_ALGORITHM, CompositeAlgorithm
from hsm.errors import HsmError
from hsm.provider import KeyProvider
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import Aborted, AlreadyExists, FailedPrecondition, Reason, ServiceError, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import KeyName, KeyVersionName
from kms.core.randomness import Randomness
from kms.keys import store
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import SYSTEM_TENANT, Key, KeyAnswer, KeyPurpose, KeyVersion, KeyVersionState, key_binding
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog

T = TypeVar("T")


@dataclass(slots=True)
class KeyService:
    """Everything about keys but signing with them (kms.keys.signing)."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    randomness: Randomness
    _replays: Replays[KeyAnswer] = field(default_factory=lambda: Replays(KeyAnswer))

    async def create(
        self,
        name: KeyName,
        *,
        algorithm: CompositeAlgorithm,
        labels: Mapping[str, str],
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[Key, LogPromise, bool]:
        """The key, its promise, and whether this is a replay. Raises AlreadyExists/KEY_EXISTS."""

        def look(tx: Connection) -> KeyAnswer | None:
            answer = self._replays.find(tx, request)
            if answer is None:
                _refuse_existing(tx, name)
            return answer

        earlier = await self.database.read(look)
        if earlier is not None:
            return await self._answer(earlier, published=published, replayed=True)
        version = await self._generate(KeyVersionName(name.tenant, name.key, 1), KeyPurpose.SIGN, algorithm, now)
        key = _new_key(name, KeyPurpose.SIGN, version, labels, now)

        def commit(tx: Connection) -> tuple[KeyAnswer, bool]:
            if (answer := self._replays.find(tx, request)) is not None:
                return answer, True
            _refuse_existing(tx, name)
            answer = KeyAnswer(key=str(name), promise=self._insert(tx, key, now))
            self._replays.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self._commit(commit, version)
        return await self._answer(answer, published=published, replayed=replayed)

    async def get(self, name: KeyName) -> Key:
        key = await self.database.read(lambda tx: store.find_key(tx, name))
        if key is None:
            raise not_found(str(name))
        return key

    async def version(self, name: KeyName | KeyVersionName) -> KeyVersion:
        """The version named; of a key the primary one, or the newest when none signs."""
        if isinstance(name, KeyName):
            key = await self.get(name)
            return (key.version(key.primary) if key.primary is not None else None) or key.versions[0]
        version = (await self.get(name.key_name)).version(name.version)
        if version is None:
            raise not_found(str(name))
        return version

    async def list(self, tenant: str, *, after: str, limit: int) -> list[Key]:
        return await self.database.read(lambda tx: store.list_keys(tx, tenant, after=after, limit=limit))

    async def rotate(
        self, name: KeyName, *, etag: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[Key, LogPromise, bool]:
        """A new primary version; the old one is deactivated. Raises Aborted/ETAG_MISMATCH when somebody was faster."""
        earlier = await self.database.read(lambda tx: self._replays.find(tx, request))
        if earlier is not None:
            return await self._answer(earlier, published=published, replayed=True)
        key = await self.get(name)
        if etag and etag != key.etag:
            raise _changed_meanwhile(name)
        if key.revoke_time is not None:
            raise FailedPrecondition(Reason.KEY_REVOKED, f"{name} was revoked; create a new key", resource=str(name))
        version_name = KeyVersionName(name.tenant, name.key, key.next_number)
        version = await self._generate(version_name, key.purpose, key.algorithm, now)

        def commit(tx: Connection) -> tuple[KeyAnswer, bool]:
            if (answer := self._replays.find(tx, request)) is not None:
                return answer, True
            answer = KeyAnswer(key=str(name), promise=self._promote(tx, key, version, now))
            self._replays.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self._commit(commit, version)
        return await self._answer(answer, published=published, replayed=replayed)

    async def ensure_service_key(self, key_id: str, now: datetime) -> Key:
        """One of the service's own keys, made at first start."""
        name = KeyName(SYSTEM_TENANT, key_id)
        present = await self.database.read(lambda tx: store.find_key(tx, name))
        if present is not None:
            return present
        version_name = KeyVersionName(name.tenant, name.key, 1)
        version = await self._generate(version_name, KeyPurpose.SERVICE, DEFAULT_ALGORITHM, now)
        fresh = _new_key(name, KeyPurpose.SERVICE, version, {}, now)

        def commit(tx: Connection) -> tuple[Key, bool]:
            if (existing := store.find_key(tx, name)) is not None:
                return existing, True
            self._insert(tx, fresh, now)
            return fresh, False

        key, _ = await self._commit(commit, version)
        return key

    async def _generate(
        self, name: KeyVersionName, purpose: KeyPurpose, algorithm: CompositeAlgorithm, now: datetime
    ) -> KeyVersion:
        try:
            material = await self.provider.generate_composite(algorithm, key_binding=key_binding(name, purpose))
        except HsmError as error:
            raise to_service_error(error) from error
        return KeyVersion(name=name, state=KeyVersionState.ACTIVE, material=material, create_time=now)

    async def _commit(self, work: Callable[[Connection], tuple[T, bool]], version: KeyVersion) -> tuple[T, bool]:
        """Runs `work`, which answers (result, replayed); a key pair that got no row is removed from the token again.

        When the outcome is not known (cancelled, connection lost) the pair stays: unreachable at worst, never missed.
        """
        try:
            result, replayed = await self.database.write(work)
        except ServiceError:
            await self._discard(version)
            raise
        if replayed:
            await self._discard(version)
        return result, replayed

    async def _discard(self, version: KeyVersion) -> None:
        with contextlib.suppress(HsmError):
            await self.provider.destroy(version.material)

    def _insert(self, tx: Connection, key: Key, now: datetime) -> LogPromise:
        store.insert_key(tx, key)
        return self._record(tx, "key.created", key.versions[0], now)

    def _promote(self, tx: Connection, key: Key, version: KeyVersion, now: datetime) -> LogPromise:
        if not store.set_primary(tx, key, primary=version.name.version, now=now):
            raise _changed_meanwhile(key.name)
        store.insert_version(tx, version)
        for old in key.versions:
            if old.state is KeyVersionState.ACTIVE:
                deactivated = KeyVersionState.DEACTIVATED
                store.set_version_state(tx, old.name, deactivated, deactivate_time=now, revoke_time=None)
        return self._record(tx, "key.rotated", version, now)

    def _record(self, tx: Connection, event_type: str, version: KeyVersion, now: datetime) -> LogPromise:
        details: dict[str, Json] = {
            "algorithm": version.material.algorithm.name,
            "protection_level": version.material.protection.value,
            "public_key_sha256": version.public_key.fingerprint().hex(),
        }
        key = new_id(now, self.randomness)
        return self.log.record(tx, LogEntry(key, event_type, version.name.tenant, str(version.name), now, details))

    async def _answer(self, answer: KeyAnswer, *, published: bool, replayed: bool) -> tuple[Key, LogPromise, bool]:
        promise = await self.log.confirm(answer.promise, published=published)
        return await self.get(KeyName.parse(answer.key)), promise, replayed


def revoke_in(
    tx: Connection, name: KeyName | KeyVersionName, *, compromised: bool, effective_time: datetime, now: datetime
) -> None:
    """Takes a key, or one version, out of use inside the caller's transaction. Raises the uniform not-found.

    A version becomes COMPROMISED when its secret may be known, otherwise DEACTIVATED; `revoke_time` is set either way.
    A later revocation never makes it better: COMPROMISED stays, and the earlier time counts.
    """
    key_name = name.key_name if isinstance(name, KeyVersionName) else name
    key = store.find_key(tx, key_name)
    if key is None:
        raise not_found(str(name))
    wanted = [key.version(name.version)] if isinstance(name, KeyVersionName) else list(key.versions)
    state = KeyVersionState.COMPROMISED if compromised else KeyVersionState.DEACTIVATED
    for version in wanted:
        if version is None:
            raise not_found(str(name))
        stopped = version.deactivate_time or now
        worst = KeyVersionState.COMPROMISED if version.state is KeyVersionState.COMPROMISED else state
        since = effective_time if version.revoke_time is None else min(version.revoke_time, effective_time)
        store.set_version_state(tx, version.name, worst, deactivate_time=stopped, revoke_time=since)
    revoked_primary = key.primary in {version.name.version for version in wanted if version is not None}
    if not store.set_primary(tx, key, primary=None if revoked_primary else key.primary, now=now):
        raise _changed_meanwhile(key.name)
    if isinstance(name, KeyName):
        since = effective_time if key.revoke_time is None else min(key.revoke_time, effective_time)
        store.set_revoked(tx, name, effective_time=since)


def _new_key(name: KeyName, purpose: KeyPurpose, version: KeyVersion, labels: Mapping[str, str], now: datetime) -> Key:
    return Key(
        name=name,
        purpose=purpose,
        algorithm=version.material.algorithm,
        labels=dict(labels),
        primary=version.name.version,
        revision=1,
        create_time=now,
        update_time=now,
        revoke_time=None,
        versions=(version,),
    )


def _refuse_existing(tx: Connection, name: KeyName) -> None:
    if store.find_key(tx, name) is not None:
        raise AlreadyExists(
            Reason.KEY_EXISTS, f"{name} exists already; choose another key_id or rotate it", resource=str(name)
        )


def _changed_meanwhile(name: KeyName) -> Aborted:
    return Aborted(Reason.ETAG_MISMATCH, f"{name} changed meanwhile; read it again and retry", resource=str(name))
