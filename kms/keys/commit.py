"""The write half of Sign: many signatures in one transaction, each with its answer for replays and its log entry."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.errors import AlreadyExists, FailedPrecondition, Reason
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys import store
from kms.keys.model import KeyVersion, KeyVersionState, SignAnswer
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was made and verified, and has not left yet."""

    version: KeyVersion
    signature: bytes
    entry: LogEntry
    request: RequestKey
    now: datetime

    def answer(self, promise: LogPromise) -> SignAnswer:
        return SignAnswer(
            key_version=str(self.version.name),
            algorithm=self.version.material.algorithm.name,
            protection=self.version.material.protection,
            signature=self.signature,
            promise=promise,
        )


class VersionStopped(FailedPrecondition):
    """A rotation or revocation that committed before the signature could: the signature is discarded."""

    def __init__(self, name: KeyVersionName) -> None:
        super().__init__(
            Reason.KEY_VERSION_NOT_ACTIVE,
            f"{name} was taken out of use while it was signing; the signature was discarded",
            resource=str(name),
        )


def commit_signatures(
    tx: Connection, log: TransparencyLog, replays: Replays[SignAnswer], items: list[Signed]
) -> list[tuple[SignAnswer, bool] | Exception]:
    """For each item its answer and whether it is an earlier one, or why it was refused.

    1. An earlier answer under the same request_id wins; another body under it is refused.
    2. A version that is not active any more is refused.
    3. The rest is written: log entries, then answers. Twins in one group: the second gets the first one's answer.
    """
    answers: dict[RequestKey, SignAnswer | AlreadyExists] = replays.find_many(tx, [item.request for item in items])
    earlier = set(answers)
    states = {name: store.version_state(tx, name) for name in {item.version.name for item in items}}
    fresh: dict[RequestKey, Signed] = {}
    for item in items:
        if item.request not in earlier and states[item.version.name] is KeyVersionState.ACTIVE:
            fresh.setdefault(item.request, item)
    if fresh:
        promises = log.record_many(tx, [item.entry for item in fresh.values()])
        made = [(key, item.answer(promise)) for (key, item), promise in zip(fresh.items(), promises, strict=True)]
        replays.store_many(tx, made, next(iter(fresh.values())).now)
        answers |= made
    return [_outcome(item, answers.get(item.request), first=fresh.get(item.request) is item) for item in items]


def _outcome(
    item: Signed, answer: SignAnswer | AlreadyExists | None, *, first: bool
) -> tuple[SignAnswer, bool] | Exception:
    match answer:
        case None:
            return VersionStopped(item.version.name)
        case AlreadyExists():
            return answer
        case SignAnswer():
            return answer, not first


class VersionMemory:
    """Which version signed last under a name. May be out of date: the commit decides. Bounded, oldest forgotten."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._versions: OrderedDict[KeyName | KeyVersionName, KeyVersion] = OrderedDict()

    def get(self, name: KeyName | KeyVersionName) -> KeyVersion | None:
        return self._versions.get(name)

    def put(self, name: KeyName | KeyVersionName, version: KeyVersion) -> KeyVersion:
        self._versions[name] = version
        while len(self._versions) > self._limit:
            self._versions.popitem(last=False)
        return version

    def forget(self, name: KeyName | KeyVersionName) -> None:
        self._versions.pop(name, None)
