"""Data keys: fresh AES-256 keys, in clear to be used at once, and sealed for later.

The clear key is not stored. A retry with the same request_id gets the same key: its envelope was stored, and is opened.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from hallmark_envelope import seal_envelope
from hsm.secret import Secret
from kms.core.canonical import Json
from kms.core.errors import FailedPrecondition, Reason
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import KeyVersionName
from kms.envelopes.model import DATA_KEY_BYTES, DataKey, kem_of, opening_version
from kms.envelopes.opening import EnvelopeOpener
from kms.keys import store
from kms.keys.model import Key, KeyVersion, KeyVersionState, signing_version
from kms.keys.purposes import check_opens
from kms.keys.resolve import KeyReference, find_referenced
from kms.keys.service import KeyService
from kms.keys.usage import limit_reached
from kms.log.model import LogEntry, LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyAnswer:
    """What GenerateDataKey remembers for a replay: all but the key itself."""

    key_version: str
    envelope: bytes
    promise: LogPromise


@dataclass(slots=True)
class DataKeys:
    """Sealing needs no private key, so making data keys needs no HSM; a retry does."""

    keys: KeyService
    opener: EnvelopeOpener
    _replays: Replays[DataKeyAnswer] = field(default_factory=lambda: Replays(DataKeyAnswer))

    async def generate(self, reference: KeyReference, *, info: bytes, request: RequestKey, now: datetime) -> DataKey:
        """Sealed to the key's primary version; a use of the key. Raises NotFound, FailedPrecondition,
        ResourceExhausted.
        """

        def look(tx: Connection) -> DataKeyAnswer | tuple[Key, KeyVersion]:
            return self._replays.find(tx, request) or _sealing_version(tx, reference, now)

        found = await self.keys.database.read(look)
        if isinstance(found, DataKeyAnswer):
            return await self._again(found, info, now)
        key, version = found
        self.opener.rates.take(key.name, key.settings.usage_limits.per_second)
        plaintext = Secret(self.keys.randomness.bytes(DATA_KEY_BYTES))
        envelope = seal_envelope(version.public_bytes, kem_of(version), plaintext.reveal(), info=info)

        def commit(tx: Connection) -> DataKeyAnswer:
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier
            if store.version_state(tx, version.name) is not KeyVersionState.ACTIVE:
                raise _stopped(version.name)
            if not store.count_uses(tx, key.name, 1):
                raise limit_reached(key.name)
            promise = self.keys.log.record(tx, self._entry(version, envelope, info, now))
            answer = DataKeyAnswer(key_version=str(version.name), envelope=envelope, promise=promise)
            self._replays.store(tx, request, answer, now)
            return answer

        answer = await self.keys.database.write(commit)
        if answer.envelope != envelope:  # a twin of this call was faster: its key counts
            return await self._again(answer, info, now)
        return await self._answer(answer, plaintext)

    async def _again(self, answer: DataKeyAnswer, info: bytes, now: datetime) -> DataKey:
        name = KeyVersionName.parse(answer.key_version)
        key = await self.keys.get(name.key_name)
        version = opening_version(key, name.version, now)
        return await self._answer(answer, await self.opener.decrypt(version, answer.envelope, info))

    async def _answer(self, answer: DataKeyAnswer, plaintext: Secret) -> DataKey:
        return DataKey(
            plaintext=plaintext,
            envelope=answer.envelope,
            key_version=answer.key_version,
            promise=await self.keys.log.confirm(answer.promise, published=False),
        )

    def _entry(self, version: KeyVersion, envelope: bytes, info: bytes, now: datetime) -> LogEntry:
        details: dict[str, Json] = {
            "algorithm": version.algorithm.title,
            "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
            "info_sha256": hashlib.sha256(info).hexdigest(),
        }
        key = new_id(now, self.keys.randomness)
        return LogEntry(key, "data-key.generated", version.name.tenant, str(version.name), now, details)


def _sealing_version(tx: Connection, reference: KeyReference, now: datetime) -> tuple[Key, KeyVersion]:
    key, number = find_referenced(tx, reference)
    check_opens(key)
    return key, signing_version(key, number, now)


def _stopped(name: KeyVersionName) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.KEY_VERSION_NOT_ACTIVE,
        f"{name} was taken out of use meanwhile; retry with the key's name",
        resource=str(name),
    )
