"""Tables of what auditors count; only the stores of kms.audit touch them. The sums of several replicas meet in them.

session          one row a TLS connection and caller
call_seen        one row a kind of call (`kind`: hash of what it is), tenant and hour
signature_count  one row an algorithm, tenant and hour, made from the log's own entries
signature_place  one row: how far into the log signatures were counted
"""

from typing import Final

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

session_table: Final = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("caller", sa.String(512), nullable=False),
    sa.Column("authentication", sa.String(16), nullable=False),
    sa.Column("tls_version", sa.String(32), nullable=False),
    sa.Column("tls_group", sa.String(64), nullable=False),
    sa.Column("post_quantum", sa.Boolean, nullable=False),
    sa.Column("certificate_key", sa.String(64), nullable=False),
    sa.Column("certificate_signature", sa.String(64), nullable=False),
    sa.Column("start_time", UtcTime, nullable=False),
    sa.Column("last_time", UtcTime, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Index("ix_session_tenant", "tenant", "start_time", "id"),
    sa.Index("ix_session_last", "last_time"),
)
seen_table: Final = sa.Table(
    "call_seen",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("hour", UtcTime, primary_key=True),
    sa.Column("caller", sa.String(512), nullable=False),
    sa.Column("action", sa.String(128), nullable=False),
    sa.Column("resource", sa.String(512), nullable=False),
    sa.Column("network", sa.String(64), nullable=False),
    sa.Column("tls_group", sa.String(64), nullable=False),
    sa.Column("allowed", sa.Boolean, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("last_time", UtcTime, nullable=False),
    sa.Index("ix_call_seen_hour", "hour"),
)
signature_table: Final = sa.Table(
    "signature_count",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("hour", UtcTime, primary_key=True),
    sa.Column("algorithm", sa.String(64), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Index("ix_signature_count_hour", "hour"),
)
place_table: Final = sa.Table(
    "signature_place",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
)
