"""Tables of receivers and streams; kms.ssf.receiver_store, stream_store and queue_store use them, nobody else."""

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

receiver = sa.Table(
    "ssf_receiver",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(63), primary_key=True),
    sa.Column("audience", sa.String(512), nullable=False),
    sa.Column("token_sha256", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("create_time", UtcTime, nullable=False),
)

stream = sa.Table(
    "ssf_stream",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("receiver", sa.String(63), nullable=False),
    sa.Column("method", sa.String(32), nullable=False),
    sa.Column("endpoint_url", sa.String(2048), nullable=False),
    sa.Column("authorization_header", sa.String(4096), nullable=False),
    sa.Column("events_requested", sa.JSON, nullable=False),
    sa.Column("description", sa.String(512), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(512), nullable=False),
    sa.Column("starts_after", sa.BigInteger, nullable=False),
    sa.Column("queued", sa.BigInteger, nullable=False),
    sa.Column("dropped", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    sa.Column("last_error", sa.String(512), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("next_attempt_time", UtcTime, nullable=False),
    sa.Column("activity_time", UtcTime, nullable=False),
    sa.Column("verify_time", UtcTime),
    sa.Column("last_delivery_time", UtcTime),
    sa.UniqueConstraint("tenant", "receiver"),
)

removed_subject = sa.Table(
    "ssf_removed_subject",
    metadata,
    sa.Column("stream", sa.String(36), primary_key=True),
    sa.Column("subject_sha256", sa.LargeBinary(32), primary_key=True),
    sa.Column("subject", sa.JSON, nullable=False),
)

queue = sa.Table(
    "ssf_queue",
    metadata,
    sa.Column("stream", sa.String(36), primary_key=True),
    sa.Column("number", _BIG, primary_key=True, autoincrement=False),
    sa.Column("jti", sa.String(36), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("claims", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("stream", "jti"),
)

position = sa.Table(
    "ssf_position",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)
