"""Keys and versions in the database. Aliases: alias_store.py; background work: due.py; sealed material: materials.py.

Whoever changes a key or a version first calls `change_key`, which is a compare-and-set on the revision that was read.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hsm.material import material_from_bytes
from kms.core.direct_sql import DirectSql
from kms.core.names import KeyName, KeyVersionName
from kms.core.resources import Sensitivity
from kms.keys.algorithms import KeyAlgorithm, algorithm_titled
from kms.keys.attestation_gate import gate_document, read_gate
from kms.keys.changes import mark_changed
from kms.keys.model import Key, KeyOrigin, KeyPurpose, KeyVersion, KeyVersionState
from kms.keys.policies import DESTROY_WAIT_DEFAULT, ExportPolicy, KeySettings, RotationPolicy, UsageLimits
from kms.keys.tables import alias_table, key_table, version_table

# On the path of every signature, so built once: putting a statement together costs more than running it.
_COUNT_ALL = DirectSql(
    "UPDATE key SET use_count = use_count + ? WHERE tenant = ? AND key_id = ?"
    " AND (use_total IS NULL OR use_count + ? <= use_total)"
)
_USES = DirectSql("SELECT use_count, use_total FROM key WHERE tenant = ? AND key_id = ?", lock="FOR UPDATE")


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
            algorithm=key.algorithm.title,
            labels=dict(key.labels),
            primary_version=key.primary,
            revision=key.revision,
            create_time=key.create_time,
            update_time=key.update_time,
            next_rotation_time=key.next_rotation_time,
            **settings_columns(key.settings),
        )
    )
    for version in key.versions:
        insert_version(tx, version)
    mark_changed(tx, key.name.tenant)


def insert_version(tx: Connection, version: KeyVersion) -> None:
    name = version.name
    tx.execute(
        version_table.insert().values(
            tenant=name.tenant,
            key_id=name.key,
            number=name.version,
            material=None if version.material is None else version.material.to_bytes(),
            public_key=version.public_bytes,
            create_time=version.create_time,
            origin=version.origin,
            exportable=version.exportable,
            creation_event=version.creation_event or None,
            **_life_columns(version),
        )
    )


def save_key(tx: Connection, before: Key, after: Key, *, now: datetime) -> bool:
    """Writes what a rule of kms.keys.lifecycle made of a key. Compare-and-set like `change_key`."""
    columns = {
        "primary_version": after.primary,
        "labels": dict(after.labels),
        "revoke_time": after.revoke_time,
        "next_rotation_time": after.next_rotation_time,
        "rotation_claim_time": None,
    }
    if not change_key(tx, before, now=now, **columns, **settings_columns(after.settings)):
        return False
    known = {version.name: version for version in before.versions}
    for version in after.versions:
        if version.name not in known:
            insert_version(tx, version)
    update_versions(tx, [version for version in after.versions if known.get(version.name, version) != version])
    return True


def change_key(tx: Connection, key: Key, *, now: datetime, **columns: Any) -> bool:
    """Compare-and-set on the revision the caller has read; False when somebody was faster. `columns`: what changes."""
    changed = tx.execute(
        key_table.update()
        .where(_key(key.name), key_table.c.revision == key.revision)
        .values(revision=key.revision + 1, update_time=now, **columns)
    )
    if changed.rowcount != 1:
        return False
    mark_changed(tx, key.name.tenant)
    return True


def update_versions(tx: Connection, versions: Iterable[KeyVersion]) -> None:
    """Writes where they stand in life, after `change_key` of their key.

    The material is left alone: a rewrap may have replaced it meanwhile.
    """
    for version in versions:
        tx.execute(
            version_table.update()
            .where(_versions(version.name.key_name), version_table.c.number == version.name.version)
            .values(**_life_columns(version))
        )


def find_key(tx: Connection, name: KeyName) -> Key | None:
    row = tx.execute(sa.select(key_table).where(_key(name))).first()
    return None if row is None else _read_key(tx, row)


def list_keys(tx: Connection, tenant: str, *, after: str, limit: int) -> list[Key]:
    """Keys by key id, beginning after `after`. Only SYSTEM_TENANT has the service's own."""
    rows = tx.execute(
        sa.select(key_table)
        .where(key_table.c.tenant == tenant, key_table.c.key_id > after)
        .order_by(key_table.c.key_id)
        .limit(limit)
    ).all()
    return [_read_key(tx, row) for row in rows]


def all_keys(tx: Connection, tenant: str) -> list[Key]:
    """Every key of the tenant by key id, the service's own too: for its trust bundle."""
    rows = tx.execute(sa.select(key_table).where(key_table.c.tenant == tenant).order_by(key_table.c.key_id)).all()
    return [_read_key(tx, row) for row in rows]


def count_uses(tx: Connection, name: KeyName, wanted: int) -> int:
    """Counts uses of a key in the transaction that makes them; gives how many of `wanted` its total allows.

    Exact: the row is locked until the commit, so no two replicas can both take the last one.
    """
    if _COUNT_ALL.change(tx, (wanted, name.tenant, name.key, wanted)) == 1:
        return wanted
    rows = _USES.rows(tx, (name.tenant, name.key))
    if not rows:
        return 0
    used, total = rows[0]
    allowed: int = min(max(0, total - used), wanted)
    if allowed:
        _COUNT_ALL.change(tx, (allowed, name.tenant, name.key, allowed))
    return allowed


def settings_columns(settings: KeySettings) -> dict[str, Any]:
    """For `change_key`."""
    rotation, limits, gate = settings.rotation, settings.usage_limits, settings.attestation_gate
    return {
        "rotation_period": _seconds(rotation.period),
        "publish_lead": _seconds(rotation.publish_lead),
        "verify_tail": _seconds(rotation.verify_tail),
        "use_per_second": limits.per_second,
        "use_total": limits.total,
        "use_not_after": limits.not_after,
        "destroy_wait": _seconds(settings.destroy_wait),
        "export_policy": settings.export_policy,
        "attestation_gate": None if gate is None else gate_document(gate),
        "sensitivity": settings.sensitivity.name.lower(),
    }


def read_version(algorithm: KeyAlgorithm, row: sa.Row[Any]) -> KeyVersion:
    """From a row of key_version."""
    material = None if row.material is None else material_from_bytes(row.material)
    public_bytes = row.public_key if material is None else material.public_key
    return KeyVersion(
        name=KeyVersionName(row.tenant, row.key_id, row.number),
        algorithm=algorithm,
        state=KeyVersionState(row.state),
        material=material,
        public_bytes=public_bytes,
        create_time=row.create_time,
        activate_time=row.activate_time,
        deactivate_time=row.deactivate_time,
        compromise_time=row.compromise_time,
        destroy_time=row.destroy_time,
        revoke_time=row.revoke_time,
        state_before=None if row.state_before is None else KeyVersionState(row.state_before),
        destroying=row.destroy_claim_time is not None,
        origin=KeyOrigin(row.origin),
        exportable=row.exportable,
        creation_event=row.creation_event or "",
    )


def _life_columns(version: KeyVersion) -> dict[str, Any]:
    return {
        "state": version.state,
        "activate_time": version.activate_time,
        "deactivate_time": version.deactivate_time,
        "compromise_time": version.compromise_time,
        "destroy_time": version.destroy_time,
        "revoke_time": version.revoke_time,
        "state_before": version.state_before,
    }


def _read_key(tx: Connection, row: sa.Row[Any]) -> Key:
    name = KeyName(row.tenant, row.key_id)
    algorithm = algorithm_titled(row.algorithm)
    versions = tx.execute(sa.select(version_table).where(_versions(name)).order_by(version_table.c.number.desc())).all()
    return Key(
        name=name,
        purpose=KeyPurpose(row.purpose),
        algorithm=algorithm,
        labels=row.labels,
        primary=row.primary_version,
        revision=row.revision,
        create_time=row.create_time,
        update_time=row.update_time,
        revoke_time=row.revoke_time,
        versions=tuple(read_version(algorithm, version) for version in versions),
        settings=_read_settings(row),
        next_rotation_time=row.next_rotation_time,
        use_count=row.use_count,
        aliases=_aliases(tx, name),
    )


def _aliases(tx: Connection, name: KeyName) -> tuple[str, ...]:
    of_key = sa.and_(alias_table.c.tenant == name.tenant, alias_table.c.key_id == name.key)
    return tuple(tx.execute(sa.select(alias_table.c.alias).where(of_key).order_by(alias_table.c.alias)).scalars())


def _read_settings(row: sa.Row[Any]) -> KeySettings:
    return KeySettings(
        rotation=RotationPolicy(
            period=_span(row.rotation_period),
            publish_lead=_span(row.publish_lead) or timedelta(0),
            verify_tail=_span(row.verify_tail),
        ),
        usage_limits=UsageLimits(per_second=row.use_per_second, total=row.use_total, not_after=row.use_not_after),
        destroy_wait=_span(row.destroy_wait) or DESTROY_WAIT_DEFAULT,
        export_policy=ExportPolicy(row.export_policy),
        attestation_gate=None if row.attestation_gate is None else read_gate(row.attestation_gate),
        sensitivity=Sensitivity[row.sensitivity.upper()],
    )


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(seconds=1)


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
