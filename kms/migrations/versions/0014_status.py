"""status lists and snapshots"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "status_index",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("list", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("value", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "list", "idx"),
        sa.UniqueConstraint("subject"),
    )
    op.create_index(
        "ix_status_index_set",
        "status_index",
        ["tenant", "list"],
        sqlite_where=sa.text("value != 0"),
        postgresql_where=sa.text("value != 0"),
    )
    op.create_table(
        "status_change",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
