"""Use case of exports: the private key of a version, sealed to the one recipient that an approved proposal names.

Hop by hop: (1) read transaction: seen this request_id? may this version go, was this approved? (2) no transaction: a
signer process seals it; (3) write transaction: the same questions again, the approval is used, log entry, the
envelope for replays. Only then the envelope leaves.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_envelope import HpkeKem, exported_name
from hsm.custody import ExportPermit
from hsm.errors import HsmError
from kms.core.canonical import Json
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import KeyVersionName
from kms.keys import store
from kms.keys.algorithms import KeyAlgorithm
from kms.keys.gates import GatedAct, GatedChange, recipient_sha256
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import Key, KeyPurpose, KeyVersion, KeyVersionState, key_binding
from kms.keys.public_keys import fingerprint
from kms.keys.service import KeyService
from kms.keys.signing_store import version_facts
from kms.log.model import LogPromise

_MAY_GO: Final = frozenset(
    {KeyVersionState.PRE_ACTIVE, KeyVersionState.ACTIVE, KeyVersionState.SUSPENDED, KeyVersionState.DEACTIVATED}
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """`algorithm` is an HPKE one, `public_key` as HPKE serialises it. Raises InvalidArgument."""

    algorithm: KeyAlgorithm
    public_key: bytes

    def __post_init__(self) -> None:
        if self.algorithm.kem_id is None:
            raise InvalidArgument(
                Reason.FIELD_INVALID, "recipient.algorithm must be an HPKE one", field="recipient.algorithm"
            )
        if len(self.public_key) != self.kem.public_key_size:
            raise InvalidArgument(
                Reason.FIELD_INVALID,
                f"recipient.public_key must have the {self.kem.public_key_size} bytes of {self.algorithm}",
                field="recipient.public_key",
            )

    @property
    def kem(self) -> HpkeKem:
        assert self.algorithm.kem_id is not None
        return HpkeKem(self.algorithm.kem_id)

    @property
    def sha256(self) -> bytes:
        """What a proposal names it by."""
        return recipient_sha256(self.algorithm.title, self.public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAnswer:
    """What ExportKey remembers: the envelope, which only its recipient opens, so that a retry gets the same."""

    envelope: bytes
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey:
    version: KeyVersion
    purpose: KeyPurpose
    envelope: bytes
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class ExportService:
    keys: KeyService
    _replays: Replays[ExportAnswer] = field(default_factory=lambda: Replays(ExportAnswer))

    async def export(
        self,
        name: KeyVersionName,
        recipient: Recipient,
        *,
        proposal: str,
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[ExportedKey, bool]:
        """The sealed key, and whether this is a replay. Raises FailedPrecondition: EXPORT_FORBIDDEN,
        KEY_VERSION_NOT_ACTIVE, APPROVAL_REQUIRED and its relatives.
        """
        change = GatedChange(GatedAct.EXPORT, str(name), recipient.sha256)

        def look(tx: Connection) -> tuple[ExportAnswer | None, Key]:
            earlier, key = self._replays.find(tx, request), _find(tx, name)
            if earlier is None:
                _check_may_go(key, name)
                self.keys.gate.check(tx, proposal, change, now)
            return earlier, key

        earlier, key = await self.keys.database.read(look)
        version = _version(key, name)
        if earlier is not None:
            answer, replayed = earlier, True
        else:
            envelope = await self._seal(version, key.purpose, recipient, proposal)
            details = _details(version, recipient, envelope, proposal)
            answer, replayed = await self.keys.database.write(
                lambda tx: self._let_go(tx, change, proposal, details, envelope, name, request, now)
            )
        return await self._exported(answer, version, key.purpose, published=published), replayed

    def _let_go(
        self,
        tx: Connection,
        change: GatedChange,
        proposal: str,
        details: dict[str, Json],
        envelope: bytes,
        name: KeyVersionName,
        request: RequestKey,
        now: datetime,
    ) -> tuple[ExportAnswer, bool]:
        """The approval is used and the export stands in the log, or an earlier call did both."""
        if (earlier := self._replays.find(tx, request)) is not None:
            return earlier, True
        version_facts(tx, name)  # locked: no compromise or stricter setting commits in between
        _check_may_go(_find(tx, name), name)
        self.keys.gate.consume(tx, proposal, change, now)
        promise = self.keys.journal.record(tx, "key.exported", name, now, details)
        answer = ExportAnswer(envelope=envelope, promise=promise)
        self._replays.store(tx, request, answer, now)
        return answer, False

    async def _seal(self, version: KeyVersion, purpose: KeyPurpose, recipient: Recipient, proposal: str) -> bytes:
        permit = ExportPermit.for_key(
            version.usable_material,
            key_name=exported_name(str(version.name), purpose.value),
            recipient_kem=recipient.kem,
            recipient_public_key=recipient.public_key,
            approval=proposal,
        )
        binding = key_binding(version.name, purpose)
        try:
            return await self.keys.provider.export_key(version.usable_material, permit=permit, key_binding=binding)
        except HsmError as error:
            raise to_service_error(error) from error

    async def _exported(
        self, answer: ExportAnswer, version: KeyVersion, purpose: KeyPurpose, *, published: bool
    ) -> ExportedKey:
        promise = await self.keys.log.confirm(answer.promise, published=published)
        return ExportedKey(version=version, purpose=purpose, envelope=answer.envelope, promise=promise)


def _find(tx: Connection, name: KeyVersionName) -> Key:
    key = store.find_key(tx, name.key_name)
    if key is None or key.version(name.version) is None:
        raise not_found(str(name))
    return key


def _version(key: Key, name: KeyVersionName) -> KeyVersion:
    version = key.version(name.version)
    assert version is not None
    return version


def _check_may_go(key: Key, name: KeyVersionName) -> None:
    version = _version(key, name)
    if not key.settings.may_leave or not version.exportable:
        raise FailedPrecondition(
            Reason.EXPORT_FORBIDDEN,
            f"{name} was made to stay; only versions made while export_policy is WRAPPED can be exported. Create a key "
            "with that export policy",
            resource=str(name),
        )
    if version.state not in _MAY_GO or version.revoke_time is not None:
        raise FailedPrecondition(
            Reason.KEY_VERSION_NOT_ACTIVE,
            f"{name} is {'revoked' if version.revoke_time else version.state} and is not exported",
            resource=str(name),
        )


def _details(version: KeyVersion, recipient: Recipient, envelope: bytes, proposal: str) -> dict[str, Json]:
    return {
        "public_key_sha256": fingerprint(version.algorithm, version.public_bytes).hex(),
        "recipient_algorithm": recipient.algorithm.title,
        "recipient_sha256": recipient.sha256.hex(),
        "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
        "proposal": proposal,
    }
