"""Use cases of a version's life: what an operator asks for. The rules are in lifecycle.py."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.errors import not_found
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys import store
from kms.keys.journal import changed_meanwhile, check_etag, version_details
from kms.keys.lifecycle import EVENT_TYPES, Action, acted
from kms.keys.model import Key, KeyAnswer
from kms.keys.service import KeyService
from kms.log.model import LogPromise

DestroyGate = Callable[[Connection, str, KeyVersionName, datetime], None]
"""Asked inside the transaction that schedules a destruction, with the proposal the caller named ("" for none).

Raises FailedPrecondition (APPROVAL_REQUIRED and its relatives) when the server wants approvals that are not there.
"""


def open_gate(_tx: Connection, _proposal: str, _version: KeyVersionName, _now: datetime) -> None:
    """No approvals are asked for."""


@dataclass(frozen=True, slots=True)
class LifeService:
    keys: KeyService
    destroy_gate: DestroyGate = open_gate

    async def change(
        self,
        name: KeyVersionName,
        action: Action,
        *,
        etag: str = "",
        proposal: str = "",
        request: RequestKey,
        now: datetime,
        published: bool,
    ) -> tuple[Key, LogPromise, bool]:
        """The key, the promise, and whether this is a replay. etag: of the key.

        Raises FailedPrecondition/STATE_TRANSITION_INVALID with what is possible instead.
        """

        def work(tx: Connection) -> KeyAnswer:
            key = store.find_key(tx, name.key_name)
            if key is None:
                raise not_found(str(name))
            check_etag(key.name, etag, key.etag)
            after = acted(key, name.version, action, now)
            if action is Action.SCHEDULE_DESTROY:
                self.destroy_gate(tx, proposal, name, now)
            if not store.save_key(tx, key, after, now=now):
                raise changed_meanwhile(key.name)
            promise = self.keys.journal.record(tx, EVENT_TYPES[action], name, now, _details(after, name))
            return KeyAnswer(key=str(key.name), promise=promise)

        answer, replayed = await self.keys.journal.act(request, now, work)
        promise = await self.keys.journal.confirm(answer, published=published)
        return await self.keys.get(KeyName.parse(answer.key)), promise, replayed


def _details(key: Key, name: KeyVersionName) -> dict[str, Json]:
    version = key.version(name.version)
    assert version is not None
    details = version_details(version)
    if version.destroy_time is not None:
        details["destroy_time"] = format_time(version.destroy_time)
    return details
