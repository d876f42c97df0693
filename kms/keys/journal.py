"""What every act on keys leaves behind: a log entry, and an answer for replays, in the transaction of the act."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import Aborted, Reason
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.core.randomness import Randomness
from kms.keys.model import KeyAnswer, KeyVersion
from kms.keys.public_keys import fingerprint
from kms.log.entries.commitments import record_with_facts
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog

T = TypeVar("T")

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Journal:
    """Answers are KeyAnswer, whatever the act: the resource that changed, and the promise of its log entry."""

    database: Database
    log: TransparencyLog
    randomness: Randomness
    _replays: Replays[KeyAnswer] = field(default_factory=lambda: Replays(KeyAnswer))

    def earlier(self, tx: Connection, request: RequestKey) -> KeyAnswer | None:
        """The earlier answer. Asked in the very snapshot that shows what the act is about: between two snapshots a twin
        of the call may commit, and its own work would be held against it. Raises AlreadyExists/REQUEST_ID_REUSED.
        """
        return self._replays.find(tx, request)

    def once(
        self, tx: Connection, request: RequestKey, now: datetime, act: Callable[[], KeyAnswer]
    ) -> tuple[KeyAnswer, bool]:
        """The earlier answer and True, or that of `act` and False, remembered."""
        if (answer := self._replays.find(tx, request)) is not None:
            return answer, True
        answer = act()
        self._replays.store(tx, request, answer, now)
        return answer, False

    async def act(
        self, request: RequestKey, now: datetime, work: Callable[[Connection], KeyAnswer]
    ) -> tuple[KeyAnswer, bool]:
        """A whole act that needs no HSM, in one transaction; again when another replica changed the key in between."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self.database.write(lambda tx: self.once(tx, request, now, lambda: work(tx)))
            except Aborted:
                continue
        return await self.database.write(lambda tx: self.once(tx, request, now, lambda: work(tx)))

    def record(
        self,
        tx: Connection,
        event_type: str,
        subject: KeyName | KeyVersionName | AliasName,
        now: datetime,
        details: Mapping[str, Json],
        committed: Mapping[str, str] | None = None,
    ) -> LogPromise:
        """`committed`: facts that stand in the log as commitments (kms.log.entries.commitments)."""
        event_key = new_id(now, self.randomness)
        entry = LogEntry(event_key, event_type, subject.tenant, str(subject), now, details)
        return record_with_facts(tx, self.log, entry, committed or {}, self.randomness)

    async def confirm(self, answer: KeyAnswer, *, published: bool) -> LogPromise:
        return await self.log.confirm(answer.promise, published=published)


def version_details(version: KeyVersion) -> dict[str, Json]:
    """What the log tells of a version."""
    details: dict[str, Json] = {
        "algorithm": version.algorithm.title,
        "public_key_sha256": fingerprint(version.algorithm, version.public_bytes).hex(),
        "state": version.state.value,
    }
    if version.material is not None:
        details["protection_level"] = version.protection.value
    return details


def changed_meanwhile(name: KeyName | AliasName) -> Aborted:
    return Aborted(Reason.ETAG_MISMATCH, f"{name} changed meanwhile; read it again and retry", resource=str(name))


def check_etag(name: KeyName | AliasName, given: str, current: str) -> None:
    """`given` empty: whatever it is. Raises Aborted/ETAG_MISMATCH."""
    if given and given != current:
        raise changed_meanwhile(name)
