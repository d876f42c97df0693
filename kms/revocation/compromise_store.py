"""Reports of compromised keys that are not fully carried out yet."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.clock import CLOCK_SKEW_MAX
from kms.core.database import UtcTime, metadata
from kms.core.errors import AlreadyExists, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName
from kms.events.model import InitiatingEntity
from kms.log.model import LogPromise

_report = sa.Table(
    "compromise_report",
    metadata,
    sa.Column("caller", sa.String(512), primary_key=True),
    sa.Column("request_id", sa.String(36), primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
    sa.Column("key", sa.String(512), nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("compromise_time", UtcTime, nullable=False),
    sa.Column("initiating_entity", sa.String(16), nullable=False),
    sa.Column("transaction_id", sa.String(64), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("event_key", sa.String(64), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("stops_primary", sa.Boolean, nullable=False, server_default=sa.true()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Which versions stopped, and all it takes to carry out the rest. `stops_primary`: one of them was the primary."""

    request: RequestKey
    key: KeyName
    versions: tuple[int, ...]
    compromise_time: datetime
    initiating_entity: InitiatingEntity
    transaction_id: str
    create_time: datetime
    promise: LogPromise
    stops_primary: bool


def insert_report(tx: Connection, report: Report) -> None:
    tx.execute(
        _report.insert().values(
            caller=report.request.caller,
            request_id=report.request.request_id,
            fingerprint=report.request.fingerprint,
            key=str(report.key),
            versions=list(report.versions),
            compromise_time=report.compromise_time,
            initiating_entity=report.initiating_entity,
            transaction_id=report.transaction_id,
            create_time=report.create_time,
            event_key=report.promise.event_key,
            leaf_hash=report.promise.leaf_hash,
            entry=report.promise.entry,
            stops_primary=report.stops_primary,
        )
    )


def find_report(tx: Connection, request: RequestKey) -> Report | None:
    """Raises AlreadyExists/REQUEST_ID_REUSED when the body differs."""
    row = tx.execute(sa.select(_report).where(*_this(request))).first()
    if row is None:
        return None
    if not hmac.compare_digest(row.fingerprint, request.fingerprint):
        raise AlreadyExists(
            Reason.REQUEST_ID_REUSED,
            "this request_id was used for a different call; make a new UUID for each call",
            field="request_id",
        )
    return _read(row)


def unfinished(tx: Connection, before: datetime, now: datetime) -> Sequence[Report]:
    """From before then, or from a clock that was ahead; oldest first."""
    time = _report.c.create_time
    query = sa.select(_report).where(sa.or_(time <= before, time > now + CLOCK_SKEW_MAX))
    rows = tx.execute(query.order_by(time))
    return [_read(row) for row in rows]


def delete_report(tx: Connection, request: RequestKey) -> None:
    tx.execute(_report.delete().where(*_this(request)))


def _this(request: RequestKey) -> tuple[sa.ColumnElement[bool], ...]:
    return _report.c.caller == request.caller, _report.c.request_id == request.request_id


def _read(row: sa.Row[Any]) -> Report:
    return Report(
        request=RequestKey(row.caller, row.request_id, row.fingerprint),
        key=KeyName.parse(row.key),
        versions=tuple(row.versions),
        compromise_time=row.compromise_time,
        initiating_entity=InitiatingEntity(row.initiating_entity),
        transaction_id=row.transaction_id,
        create_time=row.create_time,
        promise=LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry),
        stops_primary=row.stops_primary,
    )
