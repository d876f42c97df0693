"""releases, keys given to devices, anchors of their audit chains"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_releases()
    _create_holders()
    _create_anchors()


def _create_releases() -> None:
    op.create_table(
        "release",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("minimum_epoch", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("index_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("envelope_info", sa.LargeBinary(), nullable=False),
        sa.Column("requires_consent", sa.Boolean(), nullable=False),
        sa.Column("creator", sa.String(length=512), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("removal_due", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("tenant", "model", "epoch", name="uq_release_epoch"),
    )
    op.create_index("ix_release_epoch", "release", ["tenant", "epoch", "id"])
    op.create_index(
        "ix_release_removal_due",
        "release",
        ["removal_due"],
        sqlite_where=sa.text("removal_due = 1"),
        postgresql_where=sa.text("removal_due"),
    )
    op.create_table(
        "release_model",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "model"),
    )


def _create_holders() -> None:
    op.create_table(
        "artifact_holder",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("release_time", UtcTime(), nullable=True),
        sa.Column("end_time", UtcTime(), nullable=True),
        sa.Column("unbounded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "artifact", "device"),
    )


def _create_anchors() -> None:
    op.create_table(
        "device_audit_anchor",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("anchor_time", UtcTime(), nullable=False),
        sa.Column("refused_size", sa.BigInteger(), nullable=False),
        sa.Column("refused_head", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "device"),
    )
