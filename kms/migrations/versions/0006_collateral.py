"""collateral, anchors, and changes of assurance in the feed"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _collateral()
    _anchors()
    _reappraisal()
    _assurance()


def _collateral() -> None:
    op.create_table(
        "collateral_item",
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=1024), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.JSON(), nullable=False),
        sa.Column("issue_time", UtcTime(), nullable=True),
        sa.Column("next_update", UtcTime(), nullable=True),
        sa.Column("fetch_time", UtcTime(), nullable=False),
        sa.Column("update_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kind", "key"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "collateral_archive",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("value_kind", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "value_kind"),
    )


def _anchors() -> None:
    op.create_table(
        "trust_anchor",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("spki_sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("formats", sa.JSON(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("common_name", sa.String(length=255), nullable=True),
        sa.Column("is_root", sa.Boolean(), nullable=False),
        sa.Column("not_before", UtcTime(), nullable=True),
        sa.Column("not_after", UtcTime(), nullable=True),
        sa.Column("source", sa.String(length=1024), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "spki_sha256"),
    )


def _reappraisal() -> None:
    op.create_table(
        "collateral_change",
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("change_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "topic"),
    )
    op.create_table(
        "reappraisal_progress",
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "topic"),
    )


def _assurance() -> None:
    op.create_table(
        "assurance_note",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("verdict", sa.String(length=512), nullable=False),
        sa.Column("current", sa.String(length=16), nullable=False),
        sa.Column("previous", sa.String(length=16), nullable=False),
        sa.Column("initiating_entity", sa.String(length=16), nullable=False),
        sa.Column("event_time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("revocation_event") as batch:
        batch.alter_column("grave", existing_type=sa.Boolean(), nullable=True)
        batch.add_column(sa.Column("assurance", sa.JSON(), nullable=True))
