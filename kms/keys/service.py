"""Use cases of keys: create, read, update. No gRPC, no SQL; the HSM is never called inside a transaction.

Beside it: rotation.py (new versions), life.py (states of a version), destroyer.py, aliases.py, revoking.py, signing.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from hsm.provider import KeyProvider
from kms.core.canonical import Json, canonical_json
from kms.core.database import Database
from kms.core.errors import AlreadyExists, FailedPrecondition, Reason, not_found
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.core.randomness import Randomness
from kms.core.resources import Sensitivity
from kms.keys import store
from kms.keys.algorithms import DEFAULT, KeyAlgorithm
from kms.keys.gates import ApprovalGate, GatedAct, GatedChange, OpenGate, settings_sha256
from kms.keys.generation import KeyGenerator, MadeVersion
from kms.keys.journal import Journal, changed_meanwhile, check_etag, version_details
from kms.keys.key_update import KeyUpdate
from kms.keys.model import SYSTEM_TENANT, Key, KeyAnswer, KeyPurpose, KeyVersion
from kms.keys.policies import KeySettings, loosened
from kms.keys.quota import KeyQuota, NoQuota
from kms.keys.resolve import KeyReference, find_referenced
from kms.log.model import LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRehearsal:
    """What an update would do. `parameters_sha256`: of the proposal it needs; empty when it never needs one."""

    key: Key
    loosened: tuple[str, ...]
    parameters_sha256: bytes
    approvals_needed: int


@dataclass(slots=True)
class KeyService:
    """Keys as such. `journal` and `generator` are shared with the other services of keys."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    randomness: Randomness
    gate: ApprovalGate = field(default_factory=OpenGate)
    quota: KeyQuota = field(default_factory=NoQuota)
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
        if (earlier := await self.database.read(lambda tx: self.earlier_or_new(tx, request, name))) is not None:
            return await self.answered(earlier, published=published, replayed=True)
        chosen = settings or KeySettings()
        made = await self._first_version(name, purpose, algorithm, now, exportable=chosen.may_leave)
        key = new_key(purpose, made.version, labels, chosen, now)

        def commit(tx: Connection) -> tuple[KeyAnswer, bool]:
            return self.journal.once(tx, request, now, lambda: self.insert(tx, key, "key.created", made, now))

        answer, replayed = await self.generator.commit(commit, made.version)
        return await self.answered(answer, published=published, replayed=replayed)

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
        self,
        name: KeyName,
        update: KeyUpdate,
        *,
        etag: str,
        proposal: str = "",
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[Key, LogPromise, bool]:
        """Raises Aborted/ETAG_MISMATCH and FailedPrecondition (EXPORT_FORBIDDEN, APPROVAL_REQUIRED and relatives)."""

        def work(tx: Connection) -> KeyAnswer:
            key, after = _updated(tx, name, update, etag, now)
            if (change := gated_update(key, after)) is not None:
                self.gate.consume(tx, proposal, change, now)
            elif proposal:
                raise _nothing_to_approve(name)
            if not store.save_key(tx, key, after, now=now):
                raise changed_meanwhile(name)
            return KeyAnswer(
                key=str(name), promise=self.journal.record(tx, "key.updated", name, now, settings_details(after))
            )

        answer, replayed = await self.journal.act(request, now, work)
        return await self.answered(answer, published=published, replayed=replayed)

    async def rehearse_update(self, name: KeyName, update: KeyUpdate, *, etag: str, now: datetime) -> UpdateRehearsal:
        """What `update` would do; changes nothing. Raises what it would raise, but for missing approvals."""
        key, after = await self.database.read(lambda tx: _updated(tx, name, update, etag, now))
        change = gated_update(key, after)
        return UpdateRehearsal(
            key=after,
            loosened=loosened(key.settings, after.settings),
            parameters_sha256=b"" if change is None else change.parameters_sha256,
            approvals_needed=0 if change is None else self.gate.needed(change.act),
        )

    async def ensure_service_key(
        self,
        key_id: str,
        now: datetime,
        *,
        purpose: KeyPurpose = KeyPurpose.SERVICE,
        algorithm: KeyAlgorithm = DEFAULT,
    ) -> Key:
        """One of the service's own keys, made at first start."""
        name = KeyName(SYSTEM_TENANT, key_id)
        present = await self.database.read(lambda tx: store.find_key(tx, name))
        if present is not None:
            return present
        made = await self._first_version(name, purpose, algorithm, now)
        fresh = new_key(purpose, made.version, {}, KeySettings(), now)

        def commit(tx: Connection) -> tuple[Key, bool]:
            if (existing := store.find_key(tx, name)) is not None:
                return existing, True
            self.insert(tx, fresh, "key.created", made, now)
            return fresh, False

        await self.generator.commit(commit, made.version)
        return await self.get(name)

    async def _first_version(
        self, name: KeyName, purpose: KeyPurpose, algorithm: KeyAlgorithm, now: datetime, *, exportable: bool = False
    ) -> MadeVersion:
        version_name = KeyVersionName(name.tenant, name.key, 1)
        return await self.generator.generate(
            version_name, purpose, algorithm, now=now, begin=now, exportable=exportable
        )

    def earlier_or_new(self, tx: Connection, request: RequestKey, name: KeyName) -> KeyAnswer | None:
        """The answer of an earlier call, or None when the name is free. Raises AlreadyExists, ResourceExhausted."""
        if (earlier := self.journal.earlier(tx, request)) is None:
            _refuse_existing(tx, name)
            self.quota.check(tx, name.tenant)
        return earlier

    def insert(self, tx: Connection, key: Key, event_type: str, made: MadeVersion, now: datetime) -> KeyAnswer:
        """A new key with its first version, `made` for it."""
        _refuse_existing(tx, key.name)
        self.quota.take(tx, key.name.tenant)
        (version,) = key.versions
        details = {**settings_details(key), **version_details(version), **made.record}
        promise = self.journal.record(tx, event_type, version.name, now, details, made.committed)
        store.insert_key(tx, replace(key, versions=(replace(version, creation_event=promise.event_key),)))
        return KeyAnswer(key=str(key.name), promise=promise)

    async def answered(self, answer: KeyAnswer, *, published: bool, replayed: bool) -> tuple[Key, LogPromise, bool]:
        """What a caller gets: the key afresh, the promise as of now, and whether this is a replay."""
        promise = await self.journal.confirm(answer, published=published)
        return await self.get(KeyName.parse(answer.key)), promise, replayed


def settings_details(key: Key) -> dict[str, Json]:
    """What the log tells of a key's settings. Labels are people's own words and stay out of it."""
    rotation, limits, gate = key.settings.rotation, key.settings.usage_limits, key.settings.attestation_gate
    details: dict[str, Json] = {
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
    if gate is not None:
        details["attestation_gate"] = gate.to_dict()
    # Left out as long as it is the default: what people approved before there were sensitivities keeps its hash.
    if key.settings.sensitivity is not Sensitivity.STANDARD:
        details["sensitivity"] = key.settings.sensitivity.name.lower()
    return details


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(seconds=1)


def _updated(tx: Connection, name: KeyName, update: KeyUpdate, etag: str, now: datetime) -> tuple[Key, Key]:
    """The key before and after."""
    key = store.find_key(tx, name)
    if key is None:
        raise not_found(str(name))
    check_etag(name, etag, key.etag)
    return key, update.applied_to(key, now)


def gated_update(before: Key, after: Key) -> GatedChange | None:
    """What may need approvals: looser settings, and any settings of the service's own keys. None: nothing of that."""
    if before.settings == after.settings:
        return None
    if not before.purpose.is_own and not loosened(before.settings, after.settings):
        return None
    act = GatedAct.TRUST_ROOT_CHANGE if before.purpose.is_own else GatedAct.POLICY_CHANGE
    return GatedChange(act, str(after.name), settings_sha256(canonical_json(settings_details(after))))


def _nothing_to_approve(name: KeyName) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.PROPOSAL_NOT_APPROVED,
        f"this update of {name} loosens nothing and needs no approval; leave the proposal out",
        resource=str(name),
    )


def new_key(
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
