"""The write half of Sign: many signatures in one transaction, each with its answer for replays and its log entry."""

from dataclasses import dataclass
from datetime import datetime

import cbor2
from sqlalchemy.engine import Connection

from hsm.material import ProtectionLevel
from kms.core.errors import AlreadyExists, Reason, Unavailable
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys import signing_store, store
from kms.keys.model import KeyVersionState, SignAnswer
from kms.keys.resolve import KeyReference
from kms.keys.signing_key import SigningKey
from kms.keys.signing_store import VersionFacts
from kms.keys.usage import limit_reached
from kms.keys.verdict_gate import VerdictChanged, VerdictGate, Vouched
from kms.log.model import LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was made and verified, and has not left yet. `vouched`: what the key's gate let pass."""

    reference: KeyReference
    key: SigningKey
    answer: SignAnswer
    request: RequestKey
    now: datetime
    vouched: Vouched | None = None


class VersionStopped(Unavailable):
    """A rotation or revocation that committed before the signature could: the signature is discarded.

    Whoever reads the key again finds the next version, or why there is none.
    """

    def __init__(self, name: KeyVersionName) -> None:
        super().__init__(
            Reason.KEY_VERSION_NOT_ACTIVE,
            f"{name} was taken out of use while it was signing; the signature was discarded, retry",
            resource=str(name),
            retry_after_seconds=0.05,
        )


Overtaken = VersionStopped | VerdictChanged
"""Begun anew, it may succeed, or hears why not."""
Outcome = tuple[SignAnswer, bool] | Exception
"""The answer, and whether it is an earlier one; or why there is none."""


@dataclass(frozen=True, slots=True)
class Committed:
    """`key_changed`: since the signer read it, a limit for example. It is to be read again before it signs more."""

    outcome: Outcome
    key_changed: bool


def commit_signatures(
    tx: Connection, log: TransparencyLog, replays: Replays[SignAnswer], verdicts: VerdictGate, items: list[Signed]
) -> list[Committed]:
    """An outcome for each item.

    1. What may still sign? Read with the keys locked, so that no rotation or revocation commits in between; and with
       the devices locked that vouch for the use of a gated key.
    2. Answers are stored where the request_id is new. An earlier one wins; another body under it is refused. Twins in
       one group: the second gets the first one's answer. Replays are answered also for versions that stopped.
    3. Uses are counted exactly; answers beyond a key's total are taken back.
    4. What is left is written to the log.
    """
    facts = _facts(tx, items)
    stopped = _stopped(tx, verdicts, items, facts)
    answers: dict[RequestKey, SignAnswer | AlreadyExists] = {}
    if stopped:
        answers = replays.find_many(tx, [item.request for item in items if id(item) in stopped])
    signing: dict[RequestKey, Signed] = {}
    for item in items:
        if id(item) not in stopped:
            signing.setdefault(item.request, item)
    earlier = replays.store_new(tx, [(key, item.answer) for key, item in signing.items()], items[0].now)
    answers |= earlier
    fresh = [item for key, item in signing.items() if key not in earlier]
    refused = _beyond_total(tx, fresh)
    if refused:
        replays.forget(tx, [item.request for item in refused])
        fresh = [item for item in fresh if not any(item is other for other in refused)]
    if fresh:
        log.record_promised(tx, [item.answer.promise for item in fresh])
    answers |= {item.request: item.answer for item in fresh}
    return [
        Committed(
            _outcome(item, answers.get(item.request), stopped.get(id(item))),
            _has_changed(item.key, facts[item.key.version.name]),
        )
        for item in items
    ]


def _outcome(item: Signed, answer: SignAnswer | AlreadyExists | None, stopped: Overtaken | None) -> Outcome:
    match answer:
        case None if stopped is not None:
            return stopped
        case None:
            return limit_reached(item.key.key_name)
        case AlreadyExists():
            return answer
        case SignAnswer():
            return answer, answer is not item.answer


def _facts(tx: Connection, items: list[Signed]) -> dict[KeyVersionName, VersionFacts | None]:
    names = sorted({item.key.version.name for item in items}, key=str)  # one order for all replicas: no deadlock
    return {name: signing_store.version_facts(tx, name) for name in names}


def _has_changed(key: SigningKey, facts: VersionFacts | None) -> bool:
    return facts is None or facts.revision != key.revision


def _stopped(
    tx: Connection, verdicts: VerdictGate, items: list[Signed], facts: dict[KeyVersionName, VersionFacts | None]
) -> dict[int, Overtaken]:
    """Of items (by id) whose version may not sign any more, or not so, or whose alias points elsewhere now."""
    aliases = {item.reference for item in items if isinstance(item.reference, AliasName)}
    targets = {alias: signing_store.alias_target(tx, alias) for alias in aliases}
    stopped: dict[int, Overtaken] = {
        id(item): VersionStopped(item.key.version.name)
        for item in items
        if not _may_sign(item, facts[item.key.version.name], targets)
    }
    vouched = {item.vouched for item in items if item.vouched is not None}
    if vouched:
        gone = vouched - verdicts.still_standing(tx, vouched)
        stopped |= {id(item): VerdictChanged(item.vouched.device) for item in items if item.vouched in gone}
    return stopped


def _may_sign(item: Signed, facts: VersionFacts | None, targets: dict[AliasName, KeyName | None]) -> bool:
    if facts is None or facts.state is not KeyVersionState.ACTIVE or facts.gate != item.key.gate_document:
        return False
    if facts.not_after is not None and item.now > facts.not_after:
        return False
    return not isinstance(item.reference, AliasName) or targets[item.reference] == item.key.key_name


def _beyond_total(tx: Connection, fresh: list[Signed]) -> list[Signed]:
    """Counts the uses; gives the items that the totals of their keys do not allow, the last ones of each key."""
    by_key: dict[KeyName, list[Signed]] = {}
    for item in fresh:
        by_key.setdefault(item.key.key_name, []).append(item)
    refused: list[Signed] = []
    for name in sorted(by_key, key=str):
        wanted = by_key[name]
        refused += wanted[store.count_uses(tx, name, len(wanted)) :]
    return refused


def encode_answer(answer: SignAnswer) -> bytes:
    """For replays: a CBOR array, because this is on the path of every signature."""
    promise = answer.promise
    return cbor2.dumps(
        [
            answer.key_version,
            answer.algorithm,
            answer.protection.value,
            answer.signature,
            promise.event_key,
            promise.leaf_hash,
            promise.entry,
        ]
    )


def decode_answer(stored: bytes) -> SignAnswer:
    key_version, algorithm, protection, signature, event_key, leaf_hash, entry = cbor2.loads(stored)
    return SignAnswer(
        key_version=key_version,
        algorithm=algorithm,
        protection=ProtectionLevel(protection),
        signature=signature,
        promise=LogPromise(event_key, leaf_hash, entry),
    )
