"""events and feeds; revocations become events"""

import json
import struct

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_events()
    _create_around_events()
    _create_feeds()
    _create_revocation()
    op.rename_table("revocation_cursor_key", "event_cursor_key")
    _move()
    op.drop_table("revocation_event")
    op.drop_table("revocation_feed")


def _create_events() -> None:
    op.create_table(
        "event_batch",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("tree_size", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("tlog_proof", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("event_time", UtcTime(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(length=512), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("sign_time", UtcTime(), nullable=True),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("tlog_proof", sa.LargeBinary(), nullable=True),
        sa.Column("batch", sa.String(length=36), nullable=True),
        sa.Column("batch_index", sa.BigInteger(), nullable=True),
        sa.Column("batch_path", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_event_batch", "event", ["batch"])
    op.create_index("ix_event_priority_event_time", "event", ["priority", "event_time"])


def _create_around_events() -> None:
    op.create_table(
        "event_held",
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("feeds", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("event"),
    )
    op.create_table(
        "event_acknowledgement",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.Column("ack_time", UtcTime(), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "device", "event"),
    )
    op.create_index("ix_event_acknowledgement_event", "event_acknowledgement", ["event"])


def _create_feeds() -> None:
    op.create_table(
        "feed",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )
    op.create_table(
        "feed_event",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("feed", sa.String(length=64), nullable=False),
        sa.Column("sequence", _BIG, autoincrement=False, nullable=False),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "feed", "sequence"),
    )
    op.create_index("ix_feed_event_event", "feed_event", ["event"])
    op.create_table(
        "feed_subject",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("feed", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "feed", "subject"),
    )
    op.create_index("ix_feed_subject_event", "feed_subject", ["event"])
    op.create_index("ix_feed_subject_sequence", "feed_subject", ["tenant", "feed", "sequence"], unique=True)


def _create_revocation() -> None:
    op.create_table(
        "revocation",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("grave", sa.Boolean(), nullable=False),
        sa.Column("event", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "grave"),
    )


def _move() -> None:
    """Old events keep their signed bytes. They have no revision inside; the feeds count them in their order. Positions
    that were given out before are of another epoch now: their holders begin anew.
    """
    db = op.get_bind()
    for feed in db.execute(sa.text("SELECT tenant, epoch, sequence FROM revocation_feed")).all():
        rows = db.execute(
            sa.text("SELECT * FROM revocation_event WHERE tenant = :tenant ORDER BY sequence"), {"tenant": feed.tenant}
        ).all()
        epoch = struct.pack(">Q", max((row.event_time for row in rows), default=0)) + feed.epoch[:8]
        ends: dict[str, int] = {"all": 0, "revocations": 0}
        newest: dict[tuple[str, str], dict[str, object]] = {}
        for row in rows:
            _insert_event(db, row)
            for name in ("all", "revocations", _feed_of(row.subject)):
                ends[name] = sequence = ends.get(name, 0) + 1
                _insert(db, "feed_event", tenant=row.tenant, feed=name, sequence=sequence, event=row.id)
                if name not in {"all", "revocations"}:
                    before = newest.get((name, row.subject))
                    revision = 1 if before is None else int(str(before["revision"])) + 1
                    status = 1 if row.grave is not None or (before or {}).get("status") == 1 else _assurance(row)
                    newest[name, row.subject] = {"event": row.id, "sequence": sequence} | {
                        "revision": revision,
                        "status": status,
                    }
        for (name, subject), state in newest.items():
            _insert(db, "feed_subject", tenant=feed.tenant, feed=name, subject=subject, **state)
        for name, sequence in ends.items():
            _insert(db, "feed", tenant=feed.tenant, name=name, epoch=epoch, sequence=sequence)


def _insert_event(db: sa.Connection, row: sa.Row[tuple[object, ...]]) -> None:
    event_type = next(iter(json.loads(row.payload)["events"]))
    _insert(
        db,
        "event",
        id=row.id,
        tenant=row.tenant,
        type=event_type,
        subject=row.subject,
        revision=1,
        status=1 if row.grave is not None else _assurance(row),
        priority=1,
        event_time=row.event_time,
        payload=row.payload,
        key_version=row.key_version,
        signature=row.signature,
        sign_time=row.sign_time,
        leaf_hash=row.leaf_hash,
        entry=row.entry,
    )
    if row.grave is not None:
        _insert(db, "revocation", tenant=row.tenant, subject=row.subject, grave=bool(row.grave), event=row.id)


def _assurance(row: sa.Row[tuple[object, ...]]) -> int:
    """2 (suspended) while the device is not appraised."""
    levels = row.assurance if isinstance(row.assurance, dict) else json.loads(row.assurance or "{}")
    return 2 if levels.get("current") == "not-appraised" else 0


def _feed_of(subject: str) -> str:
    """Keys concern everybody, devices themselves."""
    _, _, collection, rest = subject.split("/", 3)
    return f"devices/{rest}" if collection == "devices" else "global"


def _insert(db: sa.Connection, table: str, **values: object) -> None:
    columns = ", ".join(values)
    db.execute(sa.text(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(f':{each}' for each in values)})"), values)  # noqa: S608 - names of this file
