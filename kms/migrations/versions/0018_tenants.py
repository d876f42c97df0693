"""tenants: quotas and channel rules, and how much of a quota is used"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tenants()
    op.create_table(
        "tenant_count",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind"),
    )


def _create_tenants() -> None:
    """With that of the operators, who were there before there were others."""
    table = op.create_table(
        "tenant",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("display_name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("quotas", sa.Text(), nullable=True),
        sa.Column("channels", sa.Text(), nullable=True),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("update_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
    op.create_index("ix_tenant_create_time", "tenant", ["create_time", "tenant"])
    now = datetime.now(UTC)
    operators = {
        "tenant": "default",
        "display_name": "Operators",
        "state": "active",
        "reason": "",
        "revision": 1,
        "create_time": now,
        "update_time": now,
    }
    op.bulk_insert(table, [operators])
