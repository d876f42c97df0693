"""Use cases of keys: create, read, update. No gRPC, no SQL; the HSM is never called inside a transaction.

Beside it: rotation.py (new versions), life.py (states of a version), destroyer.py, aliases.py, revoking.py, signing.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hsm.provider import KeyProvider
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import AlreadyExists, Reason, not_found
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.core.randomness import Randomness
from kms.keys import store
from kms.keys.algorithms import DEFAULT, KeyAlgorithm
from kms.keys.generation import KeyGenerator
from kms.keys.journal import Journal, changed_meanwhile, check_etag, version_details
from kms.keys.lifecycle import rescheduled
from kms.keys.model import SYSTEM_TENANT, Key, KeyAnswer, KeyPurpose, KeyVersion
from kms.keys.policies import ExportPolicy, KeySettings, RotationPolicy, UsageLimits
from kms.keys.resolve import KeyReference, find_referenced
from kms.log.model import LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUpdate:
    """What is to change; None leaves it as it is."""

    labels: Mapping[str, str] | None = None
    rotation: RotationPolicy | None = None
    usage_limits: UsageLimits | None = None
    destroy_wait: timedelta | None = None
    export_policy: ExportPolicy | None = None

    def applied_to(self, key: Key, now: datetime) -> Key:
        """Raises FailedPrecondition/EXPORT_FORBIDDEN."""
        old = key.settings
        settings = KeySettings(
            rotation=old.rotation if self.rotation is None else self.rotation,
            usage_limits=old.usage_limits if self.usage_limits is None else self.usage_limits,
            destroy_wait=old.destroy_wait if self.destroy_wait is None else self.destroy_wait,
            export_policy=old.export_policy
            if self.export_policy is None
            else old.export_policy.tightened_to(self.export_policy),
        )
        labels = key.labels if self.labels is None else self.labels
        changed = replace(key, labels=labels, settings=settings)
        return changed if self.rotation is None else rescheduled(changed, now)


@dataclass(slots=True)
class KeyService:
    """Keys as such. `journal` and `generator` are shared with the other services of keys."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    randomness: Randomness
    journal: Journal = field(init=False)
    generator: KeyGenerator = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.database, self.log, self.randomness)
        self.generator = KeyGenerator(self.provider, self.database)

    async def create(
        self,
        name: KeyName,
        *,
        algorithm: KeyAlgorithm,
        purpose: KeyPurpose = KeyPurpose.SIGN,
        labels: Mapping[str, str],
        settings: KeySettings | None = None,
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[Key, LogPromise, bool]:
        """The key, its promise, and whether this is a replay. Raises AlreadyExists/KEY_EXISTS."""
        if (earlier := await self.journal.earlier(request)) is not None:
            return await self._answer(earlier, published=published, replayed=True)
        await self.database.read(lambda tx: _refuse_existing(tx, name))
        version = await self._first_version(name, purpose, algorithm, now)
        key = _new_key(purpose, version, labels, settings or KeySettings(), now)

        def commit(tx: Connection) -> tuple[KeyAnswer, bool]:
            return self.journal.once(tx, request, now, lambda: self._insert(tx, key, now))

        answer, replayed = await self.generator.commit(commit, version)
        return await self._answer(answer, published=published, replayed=replayed)

    async def get(self, name: KeyName) -> Key:
        key = await self.database.read(lambda tx: store.find_key(tx, name))
        if key is None:
            raise not_found(str(name))
        return key

    async def version(self, reference: KeyReference) -> KeyVersion:
        """The version named; of a key or alias the primary one, or the newest when none signs."""
        key, number = await self.database.read(lambda tx: find_referenced(tx, reference))
        wanted = key.primary if number is None else number
        return (None if wanted is None else key.version(wanted)) or key.versions[0]

    async def list(self, tenant: str, *, after: str, limit: int) -> list[Key]:
        return await self.database.read(lambda tx: store.list_keys(tx, tenant, after=after, limit=limit))

    async def update(
        self, name: KeyName, update: KeyUpdate, *, etag: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[Key, LogPromise, bool]:
        """Raises Aborted/ETAG_MISMATCH and FailedPrecondition/EXPORT_FORBIDDEN."""

        def work(tx: Connection) -> KeyAnswer:
            key = store.find_key(tx, name)
            if key is None:
                raise not_found(str(name))
            check_etag(name, etag, key.etag)
            after = update.applied_to(key, now)
            if not store.save_key(tx, key, after, now=now):
                raise changed_meanwhile(name)
            return KeyAnswer(
                key=str(name), promise=self.journal.record(tx, "key.updated", name, now, settings_details(after))
            )

        answer, replayed = await self.journal.act(request, now, work)
        return await self._answer(answer, published=published, replayed=replayed)

    async def ensure_service_key(self, key_id: str, now: datetime) -> Key:
        """One of the service's own keys, made at first start."""
        name = KeyName(SYSTEM_TENANT, key_id)
        present = await self.database.read(lambda tx: store.find_key(tx, name))
        if present is not None:
            return present
        version = await self._first_version(name, KeyPurpose.SERVICE, DEFAULT, now)
        fresh = _new_key(KeyPurpose.SERVICE, version, {}, KeySettings(), now)

        def commit(tx: Connection) -> tuple[Key, bool]:
            if (existing := store.find_key(tx, name)) is not None:
                return existing, True
            self._insert(tx, fresh, now)
            return fresh, False

        key, _ = await self.generator.commit(commit, version)
        return key

    async def _first_version(
        self, name: KeyName, purpose: KeyPurpose, algorithm: KeyAlgorithm, now: datetime
    ) -> KeyVersion:
        version_name = KeyVersionName(name.tenant, name.key, 1)
        return await self.generator.generate(version_name, purpose, algorithm, now=now, begin=now)

    def _insert(self, tx: Connection, key: Key, now: datetime) -> KeyAnswer:
        _refuse_existing(tx, key.name)
        store.insert_key(tx, key)
        version = key.versions[0]
        details = {**settings_details(key), **version_details(version)}
        return KeyAnswer(key=str(key.name), promise=self.journal.record(tx, "key.created", version.name, now, details))

    async def _answer(self, answer: KeyAnswer, *, published: bool, replayed: bool) -> tuple[Key, LogPromise, bool]:
        promise = await self.journal.confirm(answer, published=published)
        return await self.get(KeyName.parse(answer.key)), promise, replayed


def settings_details(key: Key) -> dict[str, Json]:
    """What the log tells of a key's settings. Labels are people's own words and stay out of it."""
    rotation, limits = key.settings.rotation, key.settings.usage_limits
    return {
        "purpose": key.purpose.value,
        "export_policy": key.settings.export_policy.value,
        "destroy_wait_seconds": _seconds(key.settings.destroy_wait),
        "rotation_period_seconds": _seconds(rotation.period),
        "publish_lead_seconds": _seconds(rotation.publish_lead),
        "verify_tail_seconds": _seconds(rotation.verify_tail),
        "usage_total": limits.total,
        "usage_per_second": limits.per_second,
        "usage_not_after": None if limits.not_after is None else limits.not_after.isoformat(),
    }


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(seconds=1)


def _new_key(
    purpose: KeyPurpose, version: KeyVersion, labels: Mapping[str, str], settings: KeySettings, now: datetime
) -> Key:
    return Key(
        name=version.name.key_name,
        purpose=purpose,
        algorithm=version.algorithm,
        labels=dict(labels),
        primary=version.name.version,
        revision=1,
        create_time=now,
        update_time=now,
        revoke_time=None,
        versions=(version,),
        settings=settings,
        next_rotation_time=settings.rotation.next_after(now),
    )


def _refuse_existing(tx: Connection, name: KeyName) -> None:
    if store.find_key(tx, name) is not None:
        raise AlreadyExists(
            Reason.KEY_EXISTS, f"{name} exists already; choose another key_id or rotate it", resource=str(name)
        )
