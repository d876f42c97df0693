"""removals and their receipts"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_removal()
    _create_receipts()
    _create_overdue()
    _create_days()


def _create_removal() -> None:
    op.create_table(
        "removal",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("consent", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("grade", sa.String(length=2), nullable=True),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=False),
        sa.Column("effective_time", UtcTime(), nullable=False),
        sa.Column("deadline", UtcTime(), nullable=False),
        sa.Column("issue_time", UtcTime(), nullable=False),
        sa.Column("deliver_time", UtcTime(), nullable=True),
        sa.Column("acknowledge_time", UtcTime(), nullable=True),
        sa.Column("receipt_time", UtcTime(), nullable=True),
        sa.Column("lease_end_time", UtcTime(), nullable=True),
        sa.Column("close_time", UtcTime(), nullable=True),
        sa.Column("check_time", UtcTime(), nullable=True),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ix_removal_check_time", "removal", ["check_time"])
    op.create_index("ix_removal_close_time", "removal", ["tenant", "close_time"])
    op.create_index("ix_removal_consent", "removal", ["tenant", "consent", "id"])
    op.create_index("ix_removal_device", "removal", ["tenant", "device", "id"])
    op.create_index("ix_removal_issue_time", "removal", ["tenant", "issue_time"])
    op.create_index("ix_removal_receipt_time", "removal", ["tenant", "receipt_time"])
    op.create_index("ix_removal_state", "removal", ["tenant", "state", "id"])


def _create_receipts() -> None:
    op.create_table(
        "removal_receipt",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("removal", sa.String(length=36), nullable=False),
        sa.Column("grade", sa.String(length=2), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("receive_time", UtcTime(), nullable=False),
        sa.Column("countersigned", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(length=512), nullable=False),
        sa.Column("countersignature", sa.LargeBinary(), nullable=False),
        sa.Column("sign_time", UtcTime(), nullable=False),
        sa.Column("event_key", sa.String(length=36), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "removal", "grade"),
    )


def _create_overdue() -> None:
    op.create_table(
        "removal_overdue_device",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "device"),
    )
    op.create_index("ix_removal_overdue_device_pending", "removal_overdue_device", ["pending"])


def _create_days() -> None:
    op.create_table(
        "removal_day",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(length=512), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("sign_time", UtcTime(), nullable=False),
        sa.Column("event_key", sa.String(length=36), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day"),
    )
