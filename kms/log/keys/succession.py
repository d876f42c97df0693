"""A log that follows another: what is done where an Ed25519 key changes, because witnesses know a log by it.

Offline, one run or several: each step is finished before the next begins, and a run that was interrupted is finished by
running it again with the same name.
1. The keys of the new origin are made in the HSM and stored.
2. The old log's last entry says which log follows, and with which keys. It is sequenced behind all that waits, and the
   final checkpoint is signed and published as always.
3. In ONE transaction the old log's rows move to the archive, and the state begins the new origin, whose entry 0 says
   which log it follows, its final size, root and keys.
4. `logs.json` in the public folder tells the whole chain. The next start publishes the new log below its own prefix;
   the old files stay where they are, for ever.

After a rollback (`Rollback`) the old log cannot be signed for any more: step 2 is left out, and entry 0 of the new log
says that entries of the old one were lost.
"""

import functools
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hsm.provider import KeyProvider
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason
from kms.log import store
from kms.log.errors import LogClosing, LogDamaged
from kms.log.keys import announcements, archive, succession_store
from kms.log.keys.archive import ClosedLog
from kms.log.keys.keys import ensure_keys, find_keys, keys_of_every_log
from kms.log.model import LogPromise, TreeHead, promise_of
from kms.log.rounds.sequencing import DirectEntry, sequence
from kms.log.service import TransparencyLog
from kms.public.files import PublicFile, PublicFiles

CHAIN_PATH: Final = "logs.json"
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Rollback:
    """The largest checkpoint of the log that was ever seen, which its database does not hold. `note` may be empty."""

    head: TreeHead
    note: bytes


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The log `predecessor` ended at `final`, and `origin` follows it, below `prefix` of the public folder."""

    predecessor: str
    final: TreeHead
    origin: str
    prefix: str
    verifier_keys: tuple[str, ...]


class Succession:
    """`log` is prepared, and nothing else runs on its database; after a rollback it is not prepared."""

    def __init__(self, database: Database, provider: KeyProvider, log: TransparencyLog, clock: Clock) -> None:
        self._database = database
        self._provider = provider
        self._log = log
        self._clock = clock

    async def run(self, new_origin: str, *, rollback: Rollback | None = None) -> Succeeded:
        """Raises FailedPrecondition for a name that cannot be, HsmError, LogFrozen, and what publishing raises."""
        old_origin = self._log.origin
        done = await self._database.read(lambda tx: find_succession(tx, new_origin))
        if done is not None:
            return done
        await self._database.read(lambda tx: _check_origin(tx, old_origin, new_origin))
        keys = await ensure_keys(self._database, self._provider, origin=new_origin, now=self._clock.now())
        vkeys = [str(key) for key in keys.verifiers]
        if rollback is None:
            await self._close(new_origin, vkeys)
        now = self._clock.now()
        await self._database.write(lambda tx: _move(tx, old_origin, new_origin, rollback, now))
        done = await self._database.read(lambda tx: find_succession(tx, new_origin))
        assert done is not None
        return done

    async def _close(self, new_origin: str, vkeys: list[str]) -> None:
        """Returns when the final checkpoint, which covers nothing after the closing entry, is published."""
        for _ in range(_ROUNDS):
            say = functools.partial(_say_closed, new_origin=new_origin, vkeys=vkeys, now=self._clock.now())
            if await self._database.write(say):
                return
            await self._log.step()
        raise _somebody_writes()


def find_succession(tx: Connection, new_origin: str) -> Succeeded | None:
    """The one that began this log, when it is the live one."""
    closed = archive.closed_logs(tx)
    if store.find_origin(tx) != new_origin or not closed:
        return None
    keys = find_keys(tx, new_origin)
    if keys is None:
        raise LogDamaged("its keys are gone")
    vkeys = tuple(str(key) for key in keys.verifiers)
    return Succeeded(closed[-1].origin, closed[-1].head, new_origin, succession_store.stored_prefix(tx), vkeys)


async def check_not_closing(database: Database) -> None:
    """Before a service starts: nothing may come behind an entry that closes the log. Raises LogClosing."""
    if await database.read(succession_store.closing_event) is not None:
        raise LogClosing


async def publish_chain(database: Database, root: PublicFiles) -> None:
    """The public file `logs.json`: every log of this service, oldest first. Nothing while there is only one."""
    content = await database.read(_chain)
    if content is not None and await root.read(CHAIN_PATH) != content:
        await root.replace(PublicFile(CHAIN_PATH, content))


def _check_origin(tx: Connection, old_origin: str, new_origin: str) -> None:
    used = {old_origin} | {log.origin for log in archive.closed_logs(tx)}
    if new_origin in used:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID, f"{new_origin!r} is or was a log of this database: choose a new name"
        )
    begun = {key.origin for key in keys_of_every_log(tx)} - used
    if begun and new_origin not in begun:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID,
            f"a succession to {' and '.join(sorted(begun))} was begun and not finished: run it again with that name",
        )


def _say_closed(tx: Connection, new_origin: str, vkeys: list[str], now: datetime) -> bool:
    """True when the log is closed: its last entry says so, and its checkpoint is signed. Else the entry is queued."""
    head = store.read_head(tx, lock=True)
    event_key, latest = succession_store.closing_event(tx), store.latest_checkpoint(tx)
    if event_key is not None and store.is_queue_empty(tx) and store.find_index(tx, event_key) == head.size - 1:
        return latest is not None and latest.note is not None and latest.head == head
    if event_key is not None and succession_store.is_queued(tx, event_key):
        return False  # the run before ended here
    entry = announcements.closed(size=head.size, successor=new_origin, vkeys=vkeys, now=now)
    store.enqueue(tx, [(entry.event_key, entry.encode())])
    succession_store.begin_to_close(tx, entry.event_key)
    return False


def _move(tx: Connection, old_origin: str, new_origin: str, rollback: Rollback | None, now: datetime) -> None:
    """Step 3, all of it."""
    head = store.read_head(tx, lock=True)
    if rollback is None and not _is_closed(tx, head):
        raise _somebody_writes()
    keys = find_keys(tx, old_origin)
    if keys is None:
        raise LogDamaged("its keys are gone")
    number = len(archive.closed_logs(tx)) + 1
    final = _final(tx, head) if rollback is None else rollback
    closed = ClosedLog(number, old_origin, succession_store.stored_prefix(tx), final.head, final.note, now)
    archive.move(tx, closed)
    succession_store.begin_anew(tx, new_origin, f"logs/{number + 1}/")
    entry = announcements.opened(
        predecessor=old_origin,
        final=final.head,
        vkeys=[str(key) for key in keys.every_verifier],
        kept=head.size if rollback is not None else None,
        now=now,
    )
    _put_first(tx, promise_of(entry.event_key, entry.encode()))


def _put_first(tx: Connection, promise: LogPromise) -> None:
    """Entry 0, whatever waits in the queue (after a rollback, acts whose entries were not sequenced yet)."""
    sequence(tx, 0, [DirectEntry(promise)])
    if store.find_index(tx, promise.event_key) != 0:
        raise _somebody_writes()


def _is_closed(tx: Connection, head: TreeHead) -> bool:
    event_key = succession_store.closing_event(tx)
    last = event_key is not None and store.find_index(tx, event_key) == head.size - 1
    return last and store.is_queue_empty(tx)


def _final(tx: Connection, head: TreeHead) -> Rollback:
    latest = store.latest_checkpoint(tx)
    if latest is None or latest.note is None or latest.head != head:
        raise _somebody_writes()
    return Rollback(head, latest.note + latest.cosignatures)


def _somebody_writes() -> FailedPrecondition:
    return FailedPrecondition(
        Reason.STATE_TRANSITION_INVALID,
        "something still writes to the log while it is being closed: stop every server of this database, then run it "
        "again",
    )


def _chain(tx: Connection) -> bytes | None:
    closed = archive.closed_logs(tx)
    if not closed:
        return None
    keys = keys_of_every_log(tx)

    def vkeys(origin: str) -> list[str]:
        return [str(key.verifier) for key in keys if key.origin == origin]

    logs: list[dict[str, object]] = [
        {
            "origin": log.origin,
            "prefix": log.prefix,
            "closed": True,
            "size": log.head.size,
            "root": log.head.root.hex(),
            "vkeys": vkeys(log.origin),
        }
        for log in closed
    ]
    live = store.find_origin(tx) or ""
    logs.append({"origin": live, "prefix": succession_store.stored_prefix(tx), "closed": False, "vkeys": vkeys(live)})
    return (json.dumps({"logs": logs}, indent=1) + "\n").encode()
