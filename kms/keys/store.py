"""Tables of keys; nobody else touches them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hallmark_composite import algorithm_by_name
from hsm.material import CompositeKeyMaterial
from kms.core.database import UtcTime, metadata
from kms.core.names import KeyName, KeyVersionName
from kms.keys.model import Key, KeyPurpose, KeyVersion, KeyVersionState

key_table = sa.Table(
    "key",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("key_id", sa.String(63), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("algorithm", sa.String(64), nullable=False),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("primary_version", sa.Integer),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
    sa.Column("revoke_time", UtcTime),
)

version_table = sa.Table(
    "key_version",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("key_id", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("material", sa.LargeBinary, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("deactivate_time", UtcTime),
    sa.Column("revoke_time", UtcTime),
    sa.ForeignKeyConstraint(["tenant", "key_id"], ["key.tenant", "key.key_id"], name="key_version_key"),
)


# On the path of every signature, so built once: putting a statement together costs more than running it.
# FOR SHARE (PostgreSQL): a revocation waits for the signatures that looked before it, and the next ones see it.
_VERSION_STATE = (
    sa.select(version_table.c.state)
    .where(
        version_table.c.tenant == sa.bindparam("tenant"),
        version_table.c.key_id == sa.bindparam("key"),
        version_table.c.number == sa.bindparam("number"),
    )
    .with_for_update(read=True)
)


def _key(name: KeyName) -> sa.ColumnElement[bool]:
    return sa.and_(key_table.c.tenant == name.tenant, key_table.c.key_id == name.key)


def _versions(name: KeyName) -> sa.ColumnElement[bool]:
    return sa.and_(version_table.c.tenant == name.tenant, version_table.c.key_id == name.key)


def insert_key(tx: Connection, key: Key) -> None:
    """The key and its versions. The caller has checked that it is new."""
    tx.execute(
        key_table.insert().values(
            tenant=key.name.tenant,
            key_id=key.name.key,
            purpose=key.purpose,
            algorithm=key.algorithm.name,
            labels=dict(key.labels),
            primary_version=key.primary,
            revision=key.revision,
            create_time=key.create_time,
            update_time=key.update_time,
        )
    )
    for version in key.versions:
        insert_version(tx, version)


def insert_version(tx: Connection, version: KeyVersion) -> None:
    tx.execute(
        version_table.insert().values(
            tenant=version.name.tenant,
            key_id=version.name.key,
            number=version.name.version,
            state=version.state,
            material=version.material.to_bytes(),
            create_time=version.create_time,
        )
    )


def find_key(tx: Connection, name: KeyName) -> Key | None:
    row = tx.execute(sa.select(key_table).where(_key(name))).first()
    return None if row is None else _read_key(tx, row)


def list_keys(tx: Connection, tenant: str, *, after: str, limit: int) -> list[Key]:
    """Callers' keys by key id, beginning after `after`."""
    rows = tx.execute(
        sa.select(key_table)
        .where(key_table.c.tenant == tenant, key_table.c.key_id > after, key_table.c.purpose == KeyPurpose.SIGN)
        .order_by(key_table.c.key_id)
        .limit(limit)
    ).all()
    return [_read_key(tx, row) for row in rows]


def version_state(tx: Connection, name: KeyVersionName) -> KeyVersionState | None:
    state = tx.execute(_VERSION_STATE, {"tenant": name.tenant, "key": name.key, "number": name.version}).scalar()
    return None if state is None else KeyVersionState(state)


def set_primary(tx: Connection, key: Key, *, primary: int | None, now: datetime) -> bool:
    """Compare-and-set on the revision the caller has read; False when somebody was faster."""
    changed = tx.execute(
        key_table.update()
        .where(_key(key.name), key_table.c.revision == key.revision)
        .values(primary_version=primary, revision=key.revision + 1, update_time=now)
    )
    return changed.rowcount == 1


def set_revoked(tx: Connection, name: KeyName, *, effective_time: datetime) -> None:
    tx.execute(key_table.update().where(_key(name)).values(revoke_time=effective_time))


def set_version_state(
    tx: Connection,
    name: KeyVersionName,
    state: KeyVersionState,
    *,
    deactivate_time: datetime | None,
    revoke_time: datetime | None,
) -> None:
    tx.execute(
        version_table.update()
        .where(_versions(name.key_name), version_table.c.number == name.version)
        .values(state=state, deactivate_time=deactivate_time, revoke_time=revoke_time)
    )


def _read_key(tx: Connection, row: sa.Row[tuple[object, ...]]) -> Key:
    name = KeyName(row.tenant, row.key_id)
    versions = tx.execute(sa.select(version_table).where(_versions(name)).order_by(version_table.c.number.desc())).all()
    return Key(
        name=name,
        purpose=KeyPurpose(row.purpose),
        algorithm=algorithm_by_name(row.algorithm),
        labels=row.labels,
        primary=row.primary_version,
        revision=row.revision,
        create_time=row.create_time,
        update_time=row.update_time,
        revoke_time=row.revoke_time,
        versions=tuple(_read_version(name, version) for version in versions),
    )


def _read_version(name: KeyName, row: sa.Row[tuple[object, ...]]) -> KeyVersion:
    return KeyVersion(
        name=KeyVersionName(name.tenant, name.key, row.number),
        state=KeyVersionState(row.state),
        material=CompositeKeyMaterial.from_bytes(row.material),
        create_time=row.create_time,
        deactivate_time=row.deactivate_time,
        revoke_time=row.revoke_time,
    )
