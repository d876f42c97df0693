"""Keys whose time is over stop signing, and the log says so in the same transaction."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.log import store
from kms.log.errors import LogDamaged
from kms.log.keys import announcements, key_store
from kms.log.keys.keys import LogKeys, find_keys


def retire_due(tx: Connection, origin: str, now: datetime) -> LogKeys:
    """The keys that sign after it. The newest of an algorithm has no time to retire, so one always stays."""
    store.read_head(tx, lock=True)  # one replica after the other
    keys = find_keys(tx, origin)
    if keys is None:
        raise LogDamaged("its keys are gone")
    after = []
    for key in keys.every:
        if key.is_due(now):
            entry = announcements.key_retired(key, now)
            store.enqueue(tx, [(entry.event_key, entry.encode())])
            key_store.retire(tx, key.algorithm, key.number, entry.event_key)
            key = replace(key, retire_event=entry.event_key)  # noqa: PLW2901
        after.append(key)
    return LogKeys(origin, tuple(after))
