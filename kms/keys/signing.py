"""Use cases of signatures: sign, verify, and the service's own statements.

Sign, hop by hop: (1) which version signs? from memory, or a read transaction; (2) no transaction: the HSM signs and
verifies both halves; (3) one write transaction, shared with other callers: seen this request_id before? may the
version sign still? answer for replays and log entry. Only then the signature leaves. What (1) remembers may be old:
(3) decides.
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
from kms.core.errors import InvalidArgument, Reason, ServiceError, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import KeyName, KeyVersionName
from kms.core.randomness import Randomness
from kms.keys import store
from kms.keys.commit import Signed, VersionMemory, VersionStopped, commit_signatures
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import (
    SYSTEM_TENANT,
    Key,
    KeyPurpose,
    KeyVersion,
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
    _versions: VersionMemory = field(default_factory=VersionMemory)

    async def sign(
        self, name: KeyName | KeyVersionName, given: SignInput, *, request: RequestKey, now: datetime, published: bool
    ) -> tuple[SignAnswer, LogPromise, bool]:
        """The answer, its promise as of now, and whether this is a replay."""
        answer, replayed = await self._sign_once(name, given, request, now)
        return answer, await self.log.confirm(answer.promise, published=published), replayed

    async def _sign_once(
        self, name: KeyName | KeyVersionName, given: SignInput, request: RequestKey, now: datetime
    ) -> tuple[SignAnswer, bool]:
        remembered = self._versions.get(name)
        version = remembered
        if version is None:
            found = await self.database.read(lambda tx: self._replays.find(tx, request) or _version_to_sign(tx, name))
            if isinstance(found, SignAnswer):
                return found, True
            version = self._versions.put(name, found)
        digest = given.digest_for(version)
        try:
            signature = await self._sign(version, KeyPurpose.SIGN, digest, given.context)
        except ServiceError:
            earlier = await self.database.read(lambda tx: self._replays.find(tx, request))
            if earlier is None:
                raise
            return earlier, True  # a retry is answered even while the HSM is away
        entry = self._entry(version, digest, given.context, signature, now)
        try:
            return await self.database.write_grouped(self._commit, Signed(version, signature, entry, request, now))
        except VersionStopped:
            self._versions.forget(name)
            if remembered is None:
                raise
            return await self._sign_once(name, given, request, now)  # memory was old: read, once

    def _commit(self, tx: Connection, items: list[Signed]) -> list[tuple[SignAnswer, bool] | Exception]:
        return commit_signatures(tx, self.log, self._replays, items)

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


def _candidates(key: Key, name: KeyName | KeyVersionName) -> list[KeyVersion]:
    if isinstance(name, KeyName):
        return list(key.versions)
    version = key.version(name.version)
    return [] if version is None else [version]
