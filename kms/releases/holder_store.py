"""Which device holds the key of which artifact."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import ChildName, DigestName
from kms.events.store import insert_if_first
from kms.releases.model import Holder
from kms.releases.tables import artifact_holder

_TICK: Final = timedelta(microseconds=1)


def find(tx: Connection, device: ChildName, artifact: DigestName) -> Holder | None:
    row = tx.execute(sa.select(artifact_holder).where(_named(device, artifact))).first()
    return None if row is None else _read(row)


def lock(tx: Connection, device: ChildName, artifact: DigestName) -> Holder:
    """Makes the row where there is none; nobody else changes it before the commit."""
    query = sa.select(artifact_holder).where(_named(device, artifact)).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        first = {"tenant": artifact.tenant, "artifact": artifact.digest, "device": device.id, "unbounded": False}
        insert_if_first(tx, artifact_holder.insert().values(first))
        row = tx.execute(query).one()
    return _read(row)


def set_released(tx: Connection, holder: Holder, *, leased: bool, now: datetime) -> None:
    """After `lock`. Later than the end before it, also by a clock that is behind another replica's."""
    values: dict[str, Any] = {"release_time": now if holder.end_time is None else max(now, holder.end_time + _TICK)}
    if not leased:
        values["unbounded"] = True
    tx.execute(artifact_holder.update().where(_named(holder.device, holder.artifact)).values(values))


def set_ended(tx: Connection, holder: Holder, now: datetime) -> None:
    """After `lock`. Not before the release that it ends."""
    values = {"end_time": now if holder.release_time is None else max(now, holder.release_time)}
    tx.execute(artifact_holder.update().where(_named(holder.device, holder.artifact)).values(values))


def to_be_asked(tx: Connection, artifact: DigestName, *, limit: int) -> Sequence[Holder]:
    """Those that got the key and were not asked to delete it since."""
    not_asked = sa.or_(
        artifact_holder.c.end_time.is_(None), artifact_holder.c.end_time < artifact_holder.c.release_time
    )
    query = sa.select(artifact_holder).where(
        artifact_holder.c.tenant == artifact.tenant,
        artifact_holder.c.artifact == artifact.digest,
        artifact_holder.c.release_time.is_not(None),
        not_asked,
    )
    return [_read(row) for row in tx.execute(query.order_by(artifact_holder.c.device).limit(limit))]


def _named(device: ChildName, artifact: DigestName) -> sa.ColumnElement[bool]:
    return sa.and_(
        artifact_holder.c.tenant == artifact.tenant,
        artifact_holder.c.artifact == artifact.digest,
        artifact_holder.c.device == device.id,
    )


def _read(row: sa.Row[Any]) -> Holder:
    return Holder(
        device=ChildName(row.tenant, "devices", row.device),
        artifact=DigestName(row.tenant, "artifacts", row.artifact),
        release_time=row.release_time,
        end_time=row.end_time,
        unbounded=row.unbounded,
    )
