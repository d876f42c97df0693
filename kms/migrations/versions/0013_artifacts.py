"""what was revoked beyond keys and devices; artifacts"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifact_status",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("minimum_version", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("update_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )
    op.create_table(
        "trust_anchor_revoked",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("spki_sha256", sa.String(length=64), nullable=False),
        sa.Column("revoke_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "spki_sha256"),
    )
    op.add_column("appraisal_policy", sa.Column("revoke_time", UtcTime(), nullable=True))
    op.add_column("device", sa.Column("verdict_revoke_time", UtcTime(), nullable=True))
