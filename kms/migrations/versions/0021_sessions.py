"""sessions and calls, as auditors count them"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_sessions()
    _create_seen()
    _create_signatures()


def _create_sessions() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("caller", sa.String(length=512), nullable=False),
        sa.Column("authentication", sa.String(length=16), nullable=False),
        sa.Column("tls_version", sa.String(length=32), nullable=False),
        sa.Column("tls_group", sa.String(length=64), nullable=False),
        sa.Column("post_quantum", sa.Boolean(), nullable=False),
        sa.Column("certificate_key", sa.String(length=64), nullable=False),
        sa.Column("certificate_signature", sa.String(length=64), nullable=False),
        sa.Column("start_time", UtcTime(), nullable=False),
        sa.Column("last_time", UtcTime(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_session_tenant", "session", ["tenant", "start_time", "id"])
    op.create_index("ix_session_last", "session", ["last_time"])


def _create_seen() -> None:
    op.create_table(
        "call_seen",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("hour", UtcTime(), nullable=False),
        sa.Column("caller", sa.String(length=512), nullable=False),
        sa.Column("action", sa.String(length=128), nullable=False),
        sa.Column("resource", sa.String(length=512), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("tls_group", sa.String(length=64), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "hour"),
    )
    op.create_index("ix_call_seen_hour", "call_seen", ["hour"])


def _create_signatures() -> None:
    op.create_table(
        "signature_count",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("hour", UtcTime(), nullable=False),
        sa.Column("algorithm", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hour", "algorithm"),
    )
    op.create_index("ix_signature_count_hour", "signature_count", ["hour"])
    op.create_table(
        "signature_place",
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin"),
    )
