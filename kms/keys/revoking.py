"""Taking keys out of use inside a revocation's own transaction."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.errors import not_found
from kms.core.names import KeyName, KeyVersionName
from kms.keys import store
from kms.keys.journal import changed_meanwhile
from kms.keys.lifecycle import revoked


def revoke_in(
    tx: Connection, name: KeyName | KeyVersionName, *, compromised: bool, effective_time: datetime, now: datetime
) -> None:
    """Takes a key, or one version, out of use inside the caller's transaction. Raises the uniform not-found.

    A version becomes COMPROMISED when its secret may be known, otherwise DEACTIVATED; `revoke_time` is set either way.
    """
    key_name = name.key_name if isinstance(name, KeyVersionName) else name
    key = store.find_key(tx, key_name)
    if key is None:
        raise not_found(str(name))
    numbers = [name.version] if isinstance(name, KeyVersionName) else [v.name.version for v in key.versions]
    after = revoked(key, numbers, compromised=compromised, effective_time=effective_time, now=now)
    if isinstance(name, KeyName):
        since = effective_time if key.revoke_time is None else min(key.revoke_time, effective_time)
        after = replace(after, revoke_time=since, next_rotation_time=None)
    if not store.save_key(tx, key, after, now=now):
        raise changed_meanwhile(key_name)
