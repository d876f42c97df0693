"""keys of the log that follow one another; logs that were closed"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _keys()
    with op.batch_alter_table("tlog_state", schema=None) as batch_op:
        batch_op.add_column(sa.Column("prefix", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("closing_event", sa.String(length=64), nullable=True))
    _closed_logs()


def _keys() -> None:
    with op.batch_alter_table("tlog_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("origin", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("retire_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("retire_event", sa.String(length=64), nullable=True))
    op.execute("UPDATE tlog_key SET origin = (SELECT origin FROM tlog_state)")
    with op.batch_alter_table("tlog_key", schema=None) as batch_op:
        batch_op.alter_column("origin", existing_type=sa.String(length=255), nullable=False)


def _closed_logs() -> None:
    op.create_table(
        "tlog_closed",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("prefix", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("close_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("origin"),
    )
    op.create_table(
        "tlog_closed_entry",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "idx"),
        sa.UniqueConstraint("event_key"),
    )
    _their_tiles_and_checkpoints()


def _their_tiles_and_checkpoints() -> None:
    op.create_table(
        "tlog_closed_tile",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "level", "idx"),
    )
    op.create_table(
        "tlog_closed_checkpoint",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("sign_time", UtcTime(), nullable=True),
        sa.Column("cosignatures", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("log", "size"),
    )
