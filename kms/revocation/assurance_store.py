"""The table of changes of assurance that are still to be told; nobody else touches it."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, metadata
from kms.core.names import ChildName
from kms.events.model import InitiatingEntity
from kms.revocation.model import AssuranceChange, AssuranceLevel

AT_ONCE_MAX = 256

_note = sa.Table(
    "assurance_note",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("device", sa.String(36), nullable=False),
    sa.Column("verdict", sa.String(512), nullable=False),
    sa.Column("current", sa.String(16), nullable=False),
    sa.Column("previous", sa.String(16), nullable=False),
    sa.Column("initiating_entity", sa.String(16), nullable=False),
    sa.Column("event_time", UtcTime, nullable=False),
)


def insert_note(tx: Connection, change: AssuranceChange) -> None:
    """To be told: commits, or not, with the judgement it is about."""
    tx.execute(
        _note.insert().values(
            id=change.id,
            tenant=change.subject.tenant,
            device=change.subject.id,
            verdict=change.verdict,
            current=change.current,
            previous=change.previous,
            initiating_entity=change.initiating_entity,
            event_time=change.event_time,
        )
    )


def oldest_notes(tx: Connection) -> Sequence[AssuranceChange]:
    """At most 256."""
    rows = tx.execute(sa.select(_note).order_by(_note.c.event_time, _note.c.id).limit(AT_ONCE_MAX))
    return [
        AssuranceChange(
            id=row.id,
            subject=ChildName(row.tenant, "devices", row.device),
            verdict=row.verdict,
            current=AssuranceLevel(row.current),
            previous=AssuranceLevel(row.previous),
            event_time=row.event_time,
            initiating_entity=InitiatingEntity(row.initiating_entity),
        )
        for row in rows
    ]


def take_note(tx: Connection, change: AssuranceChange) -> bool:
    """Removes it; False when another replica was faster."""
    return tx.execute(_note.delete().where(_note.c.id == change.id)).rowcount == 1
