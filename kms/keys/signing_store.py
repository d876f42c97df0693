"""What a commit of signatures or openings reads of keys: written for the driver, being on the path of each of them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import from_microseconds
from kms.core.direct_sql import DirectSql
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys.model import KeyVersionState

_FACTS = DirectSql(
    "SELECT v.state, k.use_not_after, k.revision, k.attestation_gate"
    " FROM key_version v JOIN key k ON k.tenant = v.tenant AND k.key_id = v.key_id"
    " WHERE v.tenant = ? AND v.key_id = ? AND v.number = ?",
    # Both: a row that is only joined is not read again after the wait for the other's lock (PostgreSQL, 13.2.1).
    lock="FOR UPDATE OF k, v",
)
_TARGET = DirectSql("SELECT key_id FROM key_alias WHERE tenant = ? AND alias = ?")


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What decides whether a version may still be used. All but `state` are its key's; `gate` as a document."""

    state: KeyVersionState
    not_after: datetime | None
    revision: int
    gate: str | None


def version_facts(tx: Connection, name: KeyVersionName) -> VersionFacts | None:
    """It and its key stay locked until the transaction ends."""
    rows = _FACTS.rows(tx, (name.tenant, name.key, name.version))
    if not rows:
        return None
    state, not_after, revision, gate = rows[0]
    ends = None if not_after is None else from_microseconds(not_after)
    return VersionFacts(KeyVersionState(state), ends, revision, gate)


def alias_target(tx: Connection, alias: AliasName) -> KeyName | None:
    rows = _TARGET.rows(tx, (alias.tenant, alias.alias))
    return KeyName(alias.tenant, rows[0][0]) if rows else None
