"""Use cases of a version's life: what an operator asks for. The rules are in lifecycle.py."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.errors import not_found
from kms.core.idempotency import RequestKey
from kms.core.names import KeyVersionName
from kms.keys import store
from kms.keys.gates import GatedAct, GatedChange
from kms.keys.journal import changed_meanwhile, check_etag, version_details
from kms.keys.lifecycle import EVENT_TYPES, Action, acted, check_own
from kms.keys.model import Key, KeyAnswer
from kms.keys.service import KeyService
from kms.log.model import LogPromise


@dataclass(frozen=True, slots=True)
class LifeService:
    """Destruction, and any act on the service's own keys, asks `keys.gate`."""

    keys: KeyService

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
            check_own(key, action)
            after = acted(key, name.version, action, now)
            if (change := self._gated(key, name, action)) is not None:
                self.keys.gate.consume(tx, proposal, change, now)
            if not store.save_key(tx, key, after, now=now):
                raise changed_meanwhile(key.name)
            promise = self.keys.journal.record(tx, EVENT_TYPES[action], name, now, _details(after, name))
            return KeyAnswer(key=str(key.name), promise=promise)

        answer, replayed = await self.keys.journal.act(request, now, work)
        return await self.keys.answered(answer, published=published, replayed=replayed)

    def _gated(self, key: Key, name: KeyVersionName, action: Action) -> GatedChange | None:
        """To destroy what is the service's own takes the approvals of a destruction, or of any act on it if more."""
        acts = [GatedAct.DESTROY] if action is Action.SCHEDULE_DESTROY else []
        acts += [GatedAct.TRUST_ROOT_CHANGE] if key.purpose.is_own else []
        return GatedChange(max(acts, key=self.keys.gate.needed), str(name)) if acts else None


def _details(key: Key, name: KeyVersionName) -> dict[str, Json]:
    version = key.version(name.version)
    assert version is not None
    details = version_details(version)
    if version.destroy_time is not None:
        details["destroy_time"] = format_time(version.destroy_time)
    return details
