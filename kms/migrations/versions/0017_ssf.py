"""receivers of shared signals"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_receivers()
    _create_streams()
    _create_queue()


def _create_receivers() -> None:
    op.create_table(
        "ssf_receiver",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("audience", sa.String(length=512), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("token_sha256"),
    )


def _create_streams() -> None:
    op.create_table(
        "ssf_stream",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("receiver", sa.String(length=63), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("endpoint_url", sa.String(length=2048), nullable=False),
        sa.Column("authorization_header", sa.String(length=4096), nullable=False),
        sa.Column("events_requested", sa.JSON(), nullable=False),
        sa.Column("description", sa.String(length=512), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("starts_after", sa.BigInteger(), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.String(length=512), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_attempt_time", UtcTime(), nullable=False),
        sa.Column("activity_time", UtcTime(), nullable=False),
        sa.Column("verify_time", UtcTime(), nullable=True),
        sa.Column("last_delivery_time", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "receiver"),
    )
    op.create_table(
        "ssf_removed_subject",
        sa.Column("stream", sa.String(length=36), nullable=False),
        sa.Column("subject_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "subject_sha256"),
    )


def _create_queue() -> None:
    op.create_table(
        "ssf_queue",
        sa.Column("stream", sa.String(length=36), nullable=False),
        sa.Column("number", _BIG, autoincrement=False, nullable=False),
        sa.Column("jti", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("claims", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "number"),
        sa.UniqueConstraint("stream", "jti"),
    )
    op.create_table(
        "ssf_position",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
