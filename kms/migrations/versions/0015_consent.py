"""consent and leases"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_consents()
    _create_what_belongs_to_them()
    _create_leases()
    op.create_table(
        "consent_pseudonym_key",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_consents() -> None:
    op.create_table(
        "consent",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("pii_principal_id", sa.String(length=43), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("update_time", UtcTime(), nullable=False),
        sa.Column("expire_time", UtcTime(), nullable=False),
        sa.Column("end_time", UtcTime(), nullable=True),
        sa.Column("end_reason", sa.String(length=512), nullable=False),
        sa.Column("ends_at", UtcTime(), nullable=True),
        sa.Column("removal_due", sa.Boolean(), nullable=False),
        sa.Column("removal_seconds", sa.Integer(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ix_consent_person", "consent", ["tenant", "pii_principal_id", "id"])
    op.create_index("ix_consent_ends_at", "consent", ["ends_at"])
    op.create_index(
        "ix_consent_removal_due",
        "consent",
        ["removal_due"],
        sqlite_where=sa.text("removal_due = 1"),
        postgresql_where=sa.text("removal_due"),
    )
    op.create_index(
        "ix_consent_removal_seconds",
        "consent",
        ["tenant", "removal_seconds"],
        sqlite_where=sa.text("ends_at IS NOT NULL"),
        postgresql_where=sa.text("ends_at IS NOT NULL"),
    )


def _create_what_belongs_to_them() -> None:
    op.create_table(
        "consent_device",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("consent", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "consent", "device"),
    )
    op.create_index("ix_consent_device_device", "consent_device", ["tenant", "device", "consent"])
    op.create_table(
        "consent_change",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("consent", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_key", sa.String(length=36), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("key_version", sa.String(length=512), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("sign_time", UtcTime(), nullable=True),
        sa.Column("removals", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "consent", "revision"),
    )


def _create_leases() -> None:
    op.create_table(
        "lease",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("consent", sa.String(length=36), nullable=False),
        sa.Column("device", sa.String(length=36), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("not_before", UtcTime(), nullable=False),
        sa.Column("expire_time", UtcTime(), nullable=False),
        sa.Column("renew_time", UtcTime(), nullable=True),
        sa.Column("duration_seconds", sa.BigInteger(), nullable=False),
        sa.Column("max_staleness_seconds", sa.BigInteger(), nullable=False),
        sa.Column("offline_grace_seconds", sa.BigInteger(), nullable=False),
        sa.Column("on_silence", sa.String(length=8), nullable=False),
        sa.Column("on_expiry", sa.String(length=8), nullable=False),
        sa.Column("status_list", sa.Integer(), nullable=False),
        sa.Column("status_idx", sa.Integer(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
        sa.UniqueConstraint("tenant", "consent", "device", "artifact", name="uq_lease_of"),
    )
    op.create_index("ix_lease_device", "lease", ["tenant", "device", "id"])
    op.create_index("ix_lease_renew_time", "lease", ["renew_time"])
