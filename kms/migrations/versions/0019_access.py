"""access policies and grants"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _policies()
    op.create_table(
        "access_edition",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
    _grants()


def _policies() -> None:
    op.create_table(
        "access_policy",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(length=512), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("activate_time", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "number"),
    )
    op.create_table(
        "access_policy_in_force",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )


def _grants() -> None:
    op.create_table(
        "access_grant",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("principal", sa.String(length=512), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("grantor", sa.String(length=512), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("expire_time", UtcTime(), nullable=False),
        sa.Column("revoke_time", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ix_access_grant_live", "access_grant", ["tenant", "expire_time"])
