"""sensitivity of keys, use of classical sessions"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("key", sa.Column("sensitivity", sa.String(length=16), nullable=False, server_default="standard"))
    _create_classical_use()


def _create_classical_use() -> None:
    op.create_table(
        "classical_use",
        sa.Column("caller", sa.String(length=512), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "hour"),
    )
    op.create_index("ix_classical_use_hour", "classical_use", ["hour"])
