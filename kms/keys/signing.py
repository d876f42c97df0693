"""Use cases of signatures: sign one, many or a stream; the service's own statements.

Sign, hop by hop: (1) which version signs? from memory, or a read transaction; (2) no transaction: the HSM signs and
verifies; (3) one write transaction, shared with other callers: seen this request_id before? may the version sign still?
is its total used up? answer for replays and log entry. Only then the signature leaves. What (1) remembers may be old:
(3) decides. Of a key with an attestation gate (1) also reads the verdict about the device, and (3) whether it stands.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_composite import prehash
from hsm.errors import HsmError
from hsm.provider import KeyProvider
from kms.core.database import Database
from kms.core.errors import Reason, ServiceError, Unavailable, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.identity import Caller
from kms.core.ids import new_id
from kms.core.names import KeyName
from kms.core.randomness import Randomness
from kms.core.turns import ends_turn
from kms.keys import store
from kms.keys.algorithms import composite_of
from kms.keys.commit import (
    Committed,
    Outcome,
    Overtaken,
    Signed,
    commit_signatures,
    decode_answer,
    encode_answer,
)
from kms.keys.entries import entry_time
from kms.keys.formats import Envelope, SignatureFormat
from kms.keys.gathering import Gathering
from kms.keys.hsm_errors import to_service_error
from kms.keys.inputs import Prepared, SignInput
from kms.keys.model import SYSTEM_TENANT, ServiceSignature, SignAnswer, signing_version
from kms.keys.resolve import KeyReference
from kms.keys.sign_item import SignItem, item_of
from kms.keys.signer_lookup import SignerLookup, key_to_sign, newest_version
from kms.keys.signing_key import SigningKey
from kms.keys.usage import UseRates
from kms.keys.verdict_gate import NOBODY, Claimant, NoDevices, VerdictGate, Vouched, vouch
from kms.log.model import LogPromise, promise_of
from kms.log.service import TransparencyLog

_ROUNDS_MAX: Final = 6
"""A rotation, or a new verdict, while the HSM signed costs a round. Whose every round met one is told to come back
(Overtaken)."""
SignOutcome = tuple[SignAnswer, LogPromise, bool]
"""The answer, its promise as of now, and whether this is a replay."""


@dataclass(slots=True)
class SigningService:
    """Signatures with keys of purpose SIGN and MANIFEST for callers, and of purpose SERVICE for the service itself."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    randomness: Randomness
    rates: UseRates
    groups_max: int = 6
    """Groups of single signatures under way at a time: a few for each signer process, so that none is ever idle."""
    verdicts: VerdictGate = field(default_factory=NoDevices)
    _replays: Replays[SignAnswer] = field(
        default_factory=lambda: Replays(SignAnswer, encode=encode_answer, decode=decode_answer)
    )
    _lookup: SignerLookup = field(init=False)
    _together: Gathering[SignItem, Outcome] = field(init=False)

    def __post_init__(self) -> None:
        self._lookup = SignerLookup(self.database, self.verdicts)
        self._together = Gathering(self._sign_once, groups_max=self.groups_max)

    async def sign(
        self,
        reference: KeyReference,
        given: SignInput,
        *,
        request: RequestKey,
        now: datetime,
        published: bool,
        form: SignatureFormat = SignatureFormat.RAW,
    ) -> SignOutcome:
        """One signature. Raises ServiceError."""
        return await self.sign_item(item_of(reference, given, form, request), now=now, published=published)

    async def sign_item(self, item: SignItem, *, now: datetime, published: bool) -> SignOutcome:
        """`sign`, for an input that was prepared in another way (kms.keys.stream)."""
        outcome = await self._together.ask(item, now)
        if isinstance(outcome, Exception):
            raise outcome
        answer, replayed = outcome
        return answer, await self.log.confirm(answer.promise, published=published), replayed

    async def sign_many(
        self, items: Sequence[SignItem], *, now: datetime, published: bool
    ) -> list[SignOutcome | Exception]:
        """An outcome for each item, in order. What succeeds is committed together.

        Raises Unavailable when every single item failed with that: then it is the call that should be repeated.
        """
        outcomes = await self._sign_once(items, now)
        if all(isinstance(outcome, Unavailable) for outcome in outcomes):
            raise next(outcome for outcome in outcomes if isinstance(outcome, Unavailable))
        promises = [outcome[0].promise for outcome in outcomes if not isinstance(outcome, Exception)]
        confirmed = iter(await self.log.confirm_many(promises, published=published))
        return [
            outcome if isinstance(outcome, Exception) else (outcome[0], next(confirmed), outcome[1])
            for outcome in outcomes
        ]

    async def find_key(self, reference: KeyReference, now: datetime) -> SigningKey:
        """The version that would sign now. Raises what `sign` would."""
        return await self.database.read(lambda tx: key_to_sign(tx, reference, now))

    async def find_stream_key(
        self, reference: KeyReference, now: datetime, *, caller: Caller, request_id: str, claimant: Claimant = NOBODY
    ) -> SigningKey:
        """Tells how to hash the message: the version that would sign. For a request_id that was answered any version
        does, because a retry gets its answer also when the key is out of use. Raises what `sign` would.
        """

        def look(tx: Connection) -> SigningKey:
            key = key_to_sign(tx, reference, now)
            vouch(tx, self.verdicts, key.key_name, key.gate, claimant, now)
            return key

        try:
            return await self.database.read(look)
        except ServiceError:
            is_retry = await self.database.read(lambda tx: self._replays.knows(tx, caller, request_id))
            if not is_retry:
                raise
            return await self.database.read(lambda tx: newest_version(tx, reference))

    async def sign_as_service(self, key_id: str, payload: bytes, context: str, now: datetime) -> ServiceSignature:
        """A statement of the service, by tenants/system/keys/{key_id}. The caller logs what it states."""
        name = KeyName(SYSTEM_TENANT, key_id)
        key = await self.database.read(lambda tx: store.find_key(tx, name))
        if key is None:
            raise not_found(str(name))
        signer = SigningKey.of(key, signing_version(key, None, now))
        digest = prehash(composite_of(key.algorithm), payload)
        (signature,) = await self._ask_hsm([(signer, Prepared(digest, context.encode()))])
        if isinstance(signature, ServiceError):
            raise signature
        return ServiceSignature(key_version=signer.version_name, signature=signature, context=context, sign_time=now)

    async def _sign_once(self, items: Sequence[SignItem], now: datetime) -> list[Outcome]:
        """A version in memory may have stopped since: then the key is read again, and again while it is rotated."""
        outcomes: dict[int, Outcome] = {}
        left = list(range(len(items)))
        for _ in range(_ROUNDS_MAX):
            found = await self._round([items[place] for place in left], now)
            outcomes |= dict(zip(left, found, strict=True))
            left = [place for place in left if isinstance(outcomes[place], Overtaken)]
            for place in left:
                self._lookup.forget(items[place].reference)
            if not left:
                break
        return [outcomes[place] for place in range(len(items))]

    async def _round(self, items: Sequence[SignItem], now: datetime) -> list[Outcome]:
        """1. keys, 2. what to sign, 3. the HSM, 4. the commit. Items that fail on the way may be replays."""
        outcomes: list[Outcome | None] = [None] * len(items)
        keys, vouched = await self._lookup.find(items, now)
        asked: list[tuple[int, SigningKey, Prepared, Envelope | None]] = []
        for place, (item, key) in enumerate(zip(items, keys, strict=True)):
            try:
                if isinstance(key, ServiceError):
                    raise key
                prepared, envelope = item.prepare(key)
                self.rates.take(key.key_name, key.per_second)
                asked.append((place, key, prepared, envelope))
            except ServiceError as error:
                outcomes[place] = error
                if error.reason is Reason.RATE_LIMITED:  # the limit may have been raised since
                    self._lookup.forget(item.reference)
            if ends_turn(place):
                await asyncio.sleep(0)
        signatures = await self._ask_hsm([(key, prepared) for _, key, prepared, _ in asked])
        places, signed = [], []
        time = entry_time(now)
        for (place, key, prepared, envelope), signature in zip(asked, signatures, strict=True):
            if ends_turn(place):
                await asyncio.sleep(0)
            if isinstance(signature, ServiceError):
                outcomes[place] = signature
                continue
            who = vouched.get(place)
            answer = self._answer(key, prepared, envelope, signature, now, time, who)
            places.append(place)
            signed.append(Signed(items[place].reference, key, answer, items[place].request, now, who))
        if signed:
            committed = await self.database.write_many(self._commit, signed)
            for place, done in zip(places, committed, strict=True):
                outcomes[place] = done if isinstance(done, Exception) else done.outcome
                if isinstance(done, Committed) and done.key_changed:
                    self._lookup.forget(items[place].reference)
        return await self._with_replays(items, outcomes)

    def _commit(self, tx: Connection, items: list[Signed]) -> list[Committed]:
        return commit_signatures(tx, self.log, self._replays, self.verdicts, items)

    async def _ask_hsm(self, asked: Sequence[tuple[SigningKey, Prepared]]) -> list[bytes | ServiceError]:
        if not asked:
            return []
        try:
            answers = await self.provider.sign_many([key.request(prepared) for key, prepared in asked])
        except HsmError as error:
            return [to_service_error(error)] * len(asked)
        return [to_service_error(answer) if isinstance(answer, HsmError) else answer for answer in answers]

    def _answer(
        self,
        key: SigningKey,
        prepared: Prepared,
        envelope: Envelope | None,
        signature: bytes,
        now: datetime,
        time: str,
        vouched: Vouched | None,
    ) -> SignAnswer:
        delivered = signature if envelope is None else envelope.close(signature)
        form = None if envelope is None else envelope.format.value
        event_key = new_id(now, self.randomness)
        verdict = None if vouched is None else vouched.verdict
        entry = key.entry_form.fill(event_key, prepared, delivered, time, form, verdict)
        return SignAnswer(
            key_version=key.version_name,
            algorithm=key.version.algorithm.title,
            protection=key.protection,
            signature=delivered,
            promise=promise_of(event_key, entry),
        )

    async def _with_replays(self, items: Sequence[SignItem], outcomes: list[Outcome | None]) -> list[Outcome]:
        """A retry is answered while the HSM is away, the key is used up or revoked: looked up for what failed."""
        failed = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, ServiceError)]
        if failed:
            requests = [items[place].request for place in failed]
            earlier = await self.database.read(lambda tx: self._replays.find_many(tx, requests))
            for place in failed:
                answer = earlier.get(items[place].request)
                if isinstance(answer, SignAnswer):
                    outcomes[place] = (answer, True)
                elif answer is not None:
                    outcomes[place] = answer
        return [outcome for outcome in outcomes if outcome is not None]
