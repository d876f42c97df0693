"""Use cases of signatures: sign, verify, and the service's own statements.

Sign, hop by hop: (1) a read transaction: seen before? which version, may it sign now? (2) no transaction: the HSM signs
and verifies both halves; (3) one write transaction: answer for replays and log entry; only then the signature leaves.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from hallmark_composite import CompositeError, prehash, verify
from hsm.errors import HsmError
from hsm.provider import KeyProvider
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import KeyName, KeyVersionName
from kms.core.randomness import Randomness
from kms.keys import store
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import (
    SYSTEM_TENANT,
    Key,
    KeyPurpose,
    KeyVersion,
    KeyVersionState,
    ServiceSignature,
    SignAnswer,
    key_binding,
    signing_version,
)
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInput:
    """Either the message or its pre-hash, and the application context (at most 255 bytes)."""

    data: bytes | None
    digest: bytes | None
    context: bytes

    def digest_for(self, version: KeyVersion) -> bytes:
        """PH(M) of the version's algorithm. Raises InvalidArgument when a given digest has another length."""
        algorithm = version.material.algorithm
        if self.data is not None:
            return prehash(algorithm, self.data)
        if self.digest is None or len(self.digest) != algorithm.prehash_size:
            raise InvalidArgument(
                Reason.FIELD_INVALID,
                f"digest must be the {algorithm.prehash.upper()} of the message, {algorithm.prehash_size} bytes",
                field="digest",
            )
        return self.digest


@dataclass(slots=True)
class SigningService:
    """Signatures with keys of purpose SIGN for callers, and of purpose SERVICE for the service itself."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    randomness: Randomness
    _replays: Replays[SignAnswer] = field(default_factory=lambda: Replays(SignAnswer))

    async def sign(
        self, name: KeyName | KeyVersionName, given: SignInput, *, request: RequestKey, now: datetime, published: bool
    ) -> tuple[SignAnswer, LogPromise, bool]:
        """The answer, its promise as of now, and whether this is a replay."""

        def prepare(tx: Connection) -> SignAnswer | KeyVersion:
            return self._replays.find(tx, request) or _version_to_sign(tx, name)

        prepared = await self.database.read(prepare)
        if isinstance(prepared, SignAnswer):
            return prepared, await self.log.confirm(prepared.promise, published=published), True
        version, digest = prepared, given.digest_for(prepared)
        signature = await self._sign(version, KeyPurpose.SIGN, digest, given.context)

        def commit(tx: Connection) -> tuple[SignAnswer, bool]:
            if (answer := self._replays.find(tx, request)) is not None:
                return answer, True
            _still_active(tx, version)
            answer = SignAnswer(
                key_version=str(version.name),
                algorithm=version.material.algorithm.name,
                protection=version.material.protection,
                signature=signature,
                promise=self.log.record(tx, self._entry(version, digest, given.context, signature, now)),
            )
            self._replays.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self.database.write(commit)
        return answer, await self.log.confirm(answer.promise, published=published), replayed

    async def verify(self, name: KeyName | KeyVersionName, given: SignInput, signature: bytes) -> KeyVersion:
        """The version whose key verifies the signature. Raises InvalidArgument/SIGNATURE_INVALID when none does."""
        key_name = name.key_name if isinstance(name, KeyVersionName) else name
        key = await self.database.read(lambda tx: store.find_key(tx, key_name))
        candidates = [] if key is None else _candidates(key, name)
        if not candidates:
            raise not_found(str(name))
        for version in candidates:
            try:
                digest = given.digest_for(version)
                verify(version.public_key, signature, digest=digest, context=given.context)
            except CompositeError:
                continue
            return version
        raise InvalidArgument(
            Reason.SIGNATURE_INVALID,
            f"the signature does not verify with {name} over this input and context",
            field="signature",
        )

    async def sign_as_service(self, key_id: str, payload: bytes, context: str, now: datetime) -> ServiceSignature:
        """A statement of the service, by tenants/system/keys/{key_id}. The caller logs what it states."""
        name = KeyName(SYSTEM_TENANT, key_id)
        key = await self.database.read(lambda tx: store.find_key(tx, name))
        if key is None:
            raise not_found(str(name))
        version = signing_version(key, None)
        digest = prehash(version.material.algorithm, payload)
        signature = await self._sign(version, KeyPurpose.SERVICE, digest, context.encode())
        return ServiceSignature(key_version=str(version.name), signature=signature, context=context, sign_time=now)

    async def _sign(self, version: KeyVersion, purpose: KeyPurpose, digest: bytes, context: bytes) -> bytes:
        binding = key_binding(version.name, purpose)
        try:
            return await self.provider.sign_composite(
                version.material, digest=digest, context=context, key_binding=binding
            )
        except HsmError as error:
            raise to_service_error(error) from error

    def _entry(self, version: KeyVersion, digest: bytes, context: bytes, signature: bytes, now: datetime) -> LogEntry:
        details: dict[str, Json] = {
            "algorithm": version.material.algorithm.name,
            "context_sha256": hashlib.sha256(context).hexdigest(),
            "input_digest_sha256": hashlib.sha256(digest).hexdigest(),
            "signature_sha256": hashlib.sha256(signature).hexdigest(),
        }
        key = new_id(now, self.randomness)
        return LogEntry(key, "signature.created", version.name.tenant, str(version.name), now, details)


def _version_to_sign(tx: Connection, name: KeyName | KeyVersionName) -> KeyVersion:
    key_name, number = (name.key_name, name.version) if isinstance(name, KeyVersionName) else (name, None)
    key = store.find_key(tx, key_name)
    if key is None or key.purpose is not KeyPurpose.SIGN or (number is not None and key.version(number) is None):
        raise not_found(str(name))
    return signing_version(key, number)


def _still_active(tx: Connection, version: KeyVersion) -> None:
    """A revocation that committed while the HSM was signing wins: the signature is discarded."""
    if store.version_state(tx, version.name) is not KeyVersionState.ACTIVE:
        raise FailedPrecondition(
            Reason.KEY_VERSION_NOT_ACTIVE,
            f"{version.name} was taken out of use while it was signing; the signature was discarded",
            resource=str(version.name),
        )


def _candidates(key: Key, name: KeyName | KeyVersionName) -> list[KeyVersion]:
    if isinstance(name, KeyName):
        return list(key.versions)
    version = key.version(name.version)
    return [] if version is None else [version]
