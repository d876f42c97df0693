"""Opens envelopes, hop by hop: (1) a read transaction: may this version open now? seen this request_id before? (2) no
transaction: a signer process opens it; (3) one write transaction, shared with other callers: may the version open
still? count the use, log the opening. Only then the plaintext leaves.

The plaintext is nowhere stored. A retry opens the envelope again; its request_id keeps it from being logged and counted
twice. Of a key with an attestation gate (1) also reads the verdict about the device, and (3) whether it stands; so does
a retry, before it gives the plaintext out again.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from hsm.errors import EnvelopeInvalid, HsmError
from hsm.secret import Secret
from kms.core.canonical import Json
from kms.core.errors import AlreadyExists, ServiceError, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import KeyName, KeyVersionName
from kms.envelopes.model import Opened, Opening, envelope_invalid, hpke_material, may_open, not_open, opening_version
from kms.keys import signing_store, store
from kms.keys.attestation_gate import gate_document
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import Key, KeyPurpose, KeyVersion, key_binding
from kms.keys.service import KeyService
from kms.keys.signing_store import VersionFacts
from kms.keys.usage import UseRates, limit_reached
from kms.keys.verdict_gate import (
    NoDevices,
    VerdictChanged,
    VerdictGate,
    Vouched,
    check_standing,
    gate_changed,
    vouch,
)
from kms.log.model import LogEntry, LogPromise

_AT_ONCE_MAX = 16
"""Of one batch with the signer processes, so that a batch does not fill their queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAnswer:
    """What an opening remembers for a replay: where it stands in the log, and nothing of what was inside."""

    promise: LogPromise


@dataclass(frozen=True, slots=True)
class _Ready:
    """An opening that may begin. `earlier`: it was logged before. `vouched`: what the key's gate let pass."""

    key: Key
    version: KeyVersion
    earlier: OpenAnswer | None
    vouched: Vouched | None


@dataclass(frozen=True, slots=True)
class _Made:
    """An opening that succeeded and is not logged yet."""

    version: KeyVersionName
    entry: LogEntry
    request: RequestKey
    now: datetime
    gate: str | None
    vouched: Vouched | None


@dataclass(slots=True)
class EnvelopeOpener:
    """`rates`: of keys with a limit per second."""

    keys: KeyService
    rates: UseRates
    verdicts: VerdictGate = field(default_factory=NoDevices)
    _replays: Replays[OpenAnswer] = field(default_factory=lambda: Replays(OpenAnswer))

    async def open(self, opening: Opening, now: datetime) -> Opened:
        """Raises ServiceError: InvalidArgument/ENVELOPE_INVALID, FailedPrecondition, ResourceExhausted, ..."""
        (outcome,) = await self.open_many([opening], now)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def open_many(self, openings: Sequence[Opening], now: datetime) -> list[Opened | ServiceError]:
        """In their order, each opened or refused on its own."""
        looked = await self.keys.database.read(lambda tx: self._look(tx, openings, now))
        turns = asyncio.Semaphore(_AT_ONCE_MAX)
        attempts = (self._attempt(turns, *each, now) for each in zip(openings, looked, strict=True))
        return list(await asyncio.gather(*attempts))

    async def decrypt(self, version: KeyVersion, envelope: bytes, info: bytes) -> Secret:
        """By a signer process; checks, counts and logs nothing. Raises ServiceError."""
        binding = key_binding(version.name, KeyPurpose.ENVELOPE)
        try:
            return Secret(
                await self.keys.provider.open_envelope(
                    hpke_material(version), envelope=envelope, info=info, key_binding=binding
                )
            )
        except EnvelopeInvalid:
            raise envelope_invalid() from None
        except HsmError as error:
            raise to_service_error(error) from error

    def _look(self, tx: Connection, openings: Sequence[Opening], now: datetime) -> list[_Ready | ServiceError]:
        earlier = self._replays.find_many(tx, [opening.request for opening in openings])
        keys = {name: store.find_key(tx, name) for name in {opening.name.key_name for opening in openings}}
        return [
            self._ready(tx, opening, keys[opening.name.key_name], earlier.get(opening.request), now)
            for opening in openings
        ]

    def _ready(
        self,
        tx: Connection,
        opening: Opening,
        key: Key | None,
        earlier: OpenAnswer | AlreadyExists | None,
        now: datetime,
    ) -> _Ready | ServiceError:
        if isinstance(earlier, AlreadyExists):
            return earlier
        if key is None:
            return not_found(str(opening.name))
        try:
            version = opening_version(key, opening.name.version, now)
            gate = key.settings.attestation_gate
            return _Ready(key, version, earlier, vouch(tx, self.verdicts, key.name, gate, opening.claimant, now))
        except ServiceError as error:
            return error

    async def _attempt(
        self, turns: asyncio.Semaphore, opening: Opening, ready: _Ready | ServiceError, now: datetime
    ) -> Opened | ServiceError:
        if isinstance(ready, ServiceError):
            return ready
        try:
            async with turns:
                plaintext, promise = await self._open(opening, ready, now)
            return Opened(plaintext, await self.keys.log.confirm(promise, published=opening.published))
        except ServiceError as error:
            return error

    async def _open(self, opening: Opening, ready: _Ready, now: datetime) -> tuple[Secret, LogPromise]:
        if ready.earlier is None:
            self.rates.take(ready.key.name, ready.key.settings.usage_limits.per_second)
        plaintext = await self.decrypt(ready.version, opening.envelope, opening.info)
        if ready.earlier is not None:
            await self.keys.database.read(lambda tx: check_standing(tx, self.verdicts, ready.vouched))
            return plaintext, ready.earlier.promise
        gate = ready.key.settings.attestation_gate
        made = _Made(
            version=ready.version.name,
            entry=self._entry(opening, ready, now),
            request=opening.request,
            now=now,
            gate=None if gate is None else gate_document(gate),
            vouched=ready.vouched,
        )
        return plaintext, (await self.keys.database.write_grouped(self._commit, made)).promise

    def _commit(self, tx: Connection, items: list[_Made]) -> list[OpenAnswer | Exception]:
        """1. An earlier opening under the same request_id answers; another body under it is refused. 2. A version that
        may not open any more, or not for this device, is refused. 3. What the key's total does not allow is refused.
        4. The rest is logged.
        """
        answers: dict[RequestKey, OpenAnswer | Exception] = {**self._replays.find_many(tx, [i.request for i in items])}
        names = sorted({item.version for item in items}, key=str)
        facts = {name: signing_store.version_facts(tx, name) for name in names}
        vouched = {item.vouched for item in items if item.vouched is not None}
        standing = self.verdicts.still_standing(tx, vouched) if vouched else frozenset()
        fresh: dict[KeyName, dict[RequestKey, _Made]] = {}
        for item in items:
            if item.request in answers:
                continue
            if (refusal := _overtaken(item, facts[item.version], standing)) is not None:
                answers[item.request] = refusal
            else:
                fresh.setdefault(item.version.key_name, {}).setdefault(item.request, item)
        for key, wanted in fresh.items():
            answers |= self._count_and_log(tx, key, list(wanted.values()))
        return [answers[item.request] for item in items]

    def _count_and_log(
        self, tx: Connection, key: KeyName, items: list[_Made]
    ) -> dict[RequestKey, OpenAnswer | Exception]:
        allowed = store.count_uses(tx, key, len(items))
        answers: dict[RequestKey, OpenAnswer | Exception] = {item.request: limit_reached(key) for item in items}
        for item in items[:allowed]:
            answer = OpenAnswer(promise=self.keys.log.record(tx, item.entry))
            self._replays.store(tx, item.request, answer, item.now)
            answers[item.request] = answer
        return answers

    def _entry(self, opening: Opening, ready: _Ready, now: datetime) -> LogEntry:
        version = ready.version
        details: dict[str, Json] = {
            "algorithm": version.algorithm.title,
            "envelope_sha256": hashlib.sha256(opening.envelope).hexdigest(),
            "info_sha256": hashlib.sha256(opening.info).hexdigest(),
        }
        if ready.vouched is not None:
            details["verdict"] = ready.vouched.verdict
        key = new_id(now, self.keys.randomness)
        return LogEntry(key, "envelope.opened", version.name.tenant, str(version.name), now, details)


def _overtaken(item: _Made, facts: VersionFacts | None, standing: frozenset[Vouched]) -> ServiceError | None:
    """Why what could be opened before the HSM was asked can not be any more."""
    state = None if facts is None else facts.state
    if facts is None or not may_open(state):
        return not_open(item.version, state)
    if facts.gate != item.gate:
        return gate_changed(item.version.key_name)
    if item.vouched is not None and item.vouched not in standing:
        return VerdictChanged(item.vouched.device)
    return None
