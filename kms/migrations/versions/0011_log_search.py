"""finding entries; openings of commitments"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tlog_opening",
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("person", sa.String(length=256), nullable=True),
        sa.PrimaryKeyConstraint("event_key", "name"),
    )
    op.create_index("ix_tlog_opening_person", "tlog_opening", ["tenant", "person"])
    op.create_table(
        "tlog_search",
        sa.Column("idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column(
            "subject",
            sa.String(length=512).with_variant(sa.String(length=512, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("event_type", sa.String(length=128), nullable=False),
        sa.Column("event_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("idx"),
    )
    op.create_index("ix_tlog_search_time", "tlog_search", ["tenant", "event_time", "idx"])
    op.create_index("ix_tlog_search_subject", "tlog_search", ["tenant", "subject", "event_time", "idx"])
    op.create_index("ix_tlog_search_type", "tlog_search", ["tenant", "event_type", "event_time", "idx"])
    op.create_table(
        "tlog_receipt_key",
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("algorithm", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("material", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "algorithm"),
    )
