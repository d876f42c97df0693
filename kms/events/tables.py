"""Tables of events and feeds; kms.events.store and kms.events.history read and write them, nobody else."""

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

batch = sa.Table(
    "event_batch",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("tree_size", sa.BigInteger, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("tlog_proof", sa.LargeBinary),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("event_time", UtcTime, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512)),
    sa.Column("signature", sa.LargeBinary),
    sa.Column("sign_time", UtcTime),
    sa.Column("leaf_hash", sa.LargeBinary(32)),
    sa.Column("entry", sa.LargeBinary),
    sa.Column("tlog_proof", sa.LargeBinary),
    sa.Column("batch", sa.String(36)),
    sa.Column("batch_index", sa.BigInteger),
    sa.Column("batch_path", sa.LargeBinary),
    sa.Index("ix_event_batch", "batch"),
    sa.Index("ix_event_priority_event_time", "priority", "event_time"),
)

held = sa.Table(
    "event_held",
    metadata,
    sa.Column("event", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("feeds", sa.JSON, nullable=False),
)

acknowledgement = sa.Table(
    "event_acknowledgement",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(36), primary_key=True),
    sa.Column("event", sa.String(36), primary_key=True),
    sa.Column("ack_time", UtcTime, nullable=False),
    sa.Column("error", sa.String(64), nullable=False),
    sa.Column("description", sa.String(512), nullable=False),
    sa.Index("ix_event_acknowledgement_event", "event"),
)

feed = sa.Table(
    "feed",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("epoch", sa.LargeBinary(16), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)

feed_event = sa.Table(
    "feed_event",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("feed", sa.String(64), primary_key=True),
    sa.Column("sequence", _BIG, primary_key=True, autoincrement=False),
    sa.Column("event", sa.String(36), nullable=False),
    sa.Index("ix_feed_event_event", "event"),
)

feed_subject = sa.Table(
    "feed_subject",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("feed", sa.String(64), primary_key=True),
    sa.Column("subject", sa.String(512), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("event", sa.String(36), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Index("ix_feed_subject_event", "event"),
    sa.Index("ix_feed_subject_sequence", "tenant", "feed", "sequence", unique=True),
)

cursor_key = sa.Table(
    "event_cursor_key",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)
