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
from kms.keys import signing_store, store
from kms.keys.attestation_gate import gate_document
from kms.keys.model import Key, KeyVersion, KeyVersionState, signing_version
from kms.keys.purposes import check_opens
from kms.keys.resolve import KeyReference, find_referenced
from kms.keys.service import KeyService
from kms.keys.usage import limit_reached
from kms.keys.verdict_gate import NOBODY, Claimant, Vouched, check_standing, gate_changed, vouch
from kms.log.model import LogEntry, LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyAnswer:
    """What GenerateDataKey remembers for a replay: all but the key itself."""

    key_version: str
    envelope: bytes
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class _Sealing:
    """What to seal to. `vouched`: what the key's gate let pass."""

    key: Key
    version: KeyVersion
    vouched: Vouched | None


@dataclass(slots=True)
class DataKeys:
    """Sealing needs no private key, so making data keys needs no HSM; a retry does."""

    keys: KeyService
    opener: EnvelopeOpener
    _replays: Replays[DataKeyAnswer] = field(default_factory=lambda: Replays(DataKeyAnswer))

    async def generate(
        self, reference: KeyReference, *, info: bytes, request: RequestKey, now: datetime, who: Claimant = NOBODY
    ) -> DataKey:
        """Sealed to the key's primary version; a use of the key. Raises NotFound, PermissionDenied,
        FailedPrecondition, ResourceExhausted.
        """

        def look(tx: Connection) -> DataKeyAnswer | _Sealing:
            return self._replays.find(tx, request) or self._sealing(tx, reference, who, now)

        found = await self.keys.database.read(look)
        if isinstance(found, DataKeyAnswer):
            return await self._again(found, info, who, now)
        key, version = found.key, found.version
        self.opener.rates.take(key.name, key.settings.usage_limits.per_second)
        plaintext = Secret(self.keys.randomness.bytes(DATA_KEY_BYTES))
        envelope = seal_envelope(version.public_bytes, kem_of(version), plaintext.reveal(), info=info)

        def commit(tx: Connection) -> DataKeyAnswer:
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier
            self._check(tx, found)
            if not store.count_uses(tx, key.name, 1):
                raise limit_reached(key.name)
            promise = self.keys.log.record(tx, self._entry(found, envelope, info, now))
            answer = DataKeyAnswer(key_version=str(version.name), envelope=envelope, promise=promise)
            self._replays.store(tx, request, answer, now)
            return answer

        answer = await self.keys.database.write(commit)
        if answer.envelope != envelope:  # a twin of this call was faster: its key counts
            return await self._again(answer, info, who, now)
        return await self._answer(answer, plaintext)

    async def _again(self, answer: DataKeyAnswer, info: bytes, who: Claimant, now: datetime) -> DataKey:
        """The gate is asked again, before and after: who attested then may be revoked now."""
        name, database, verdicts = KeyVersionName.parse(answer.key_version), self.keys.database, self.opener.verdicts
        key = await self.keys.get(name.key_name)
        version, gate = opening_version(key, name.version, now), key.settings.attestation_gate
        vouched = await database.read(lambda tx: vouch(tx, verdicts, key.name, gate, who, now))
        plaintext = await self.opener.decrypt(version, answer.envelope, info)
        await database.read(lambda tx: check_standing(tx, verdicts, vouched))
        return await self._answer(answer, plaintext)

    def _sealing(self, tx: Connection, reference: KeyReference, who: Claimant, now: datetime) -> _Sealing:
        key, number = find_referenced(tx, reference)
        check_opens(key)
        version, gate = signing_version(key, number, now), key.settings.attestation_gate
        return _Sealing(key, version, vouch(tx, self.opener.verdicts, key.name, gate, who, now))

    def _check(self, tx: Connection, sealing: _Sealing) -> None:
        """Inside the transaction. Raises FailedPrecondition, Unavailable when something changed meanwhile."""
        name, gate = sealing.version.name, sealing.key.settings.attestation_gate
        facts = signing_store.version_facts(tx, name)
        if facts is None or facts.state is not KeyVersionState.ACTIVE:
            raise _stopped(name)
        if facts.gate != (None if gate is None else gate_document(gate)):
            raise gate_changed(name.key_name)
        check_standing(tx, self.opener.verdicts, sealing.vouched)

    async def _answer(self, answer: DataKeyAnswer, plaintext: Secret) -> DataKey:
        return DataKey(
            plaintext=plaintext,
            envelope=answer.envelope,
            key_version=answer.key_version,
            promise=await self.keys.log.confirm(answer.promise, published=False),
        )

    def _entry(self, sealing: _Sealing, envelope: bytes, info: bytes, now: datetime) -> LogEntry:
        version = sealing.version
        details: dict[str, Json] = {
            "algorithm": version.algorithm.title,
            "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
            "info_sha256": hashlib.sha256(info).hexdigest(),
        }
        if sealing.vouched is not None:
            details["verdict"] = sealing.vouched.verdict
        key = new_id(now, self.keys.randomness)
        return LogEntry(key, "data-key.generated", version.name.tenant, str(version.name), now, details)


def _stopped(name: KeyVersionName) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.KEY_VERSION_NOT_ACTIVE,
        f"{name} was taken out of use meanwhile; retry with the key's name",
        resource=str(name),
    )
