"""keys with a life"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _compromise_reports()
    _approvals()
    _acknowledgements()
    _trust_bundles()
    _aliases()
    _life_of_keys()
    _life_of_versions()


def _compromise_reports() -> None:
    op.create_table(
        "compromise_report",
        sa.Column("caller", sa.String(length=512), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("compromise_time", UtcTime(), nullable=False),
        sa.Column("initiating_entity", sa.String(length=16), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "request_id"),
    )


def _approvals() -> None:
    op.create_table(
        "proposal",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("parameters_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposer", sa.String(length=512), nullable=False),
        sa.Column("proposer_key_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("create_time", UtcTime(), nullable=False),
        sa.Column("expire_time", UtcTime(), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reject_time", UtcTime(), nullable=True),
        sa.Column("execute_time", UtcTime(), nullable=True),
        sa.Column("event_key", sa.String(length=36), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "proposal_approval",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("proposal", sa.String(length=36), nullable=False),
        sa.Column("approver", sa.String(length=512), nullable=False),
        sa.Column("approver_key_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("approve_time", UtcTime(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "proposal"], ["proposal.tenant", "proposal.id"], name="proposal_approval_of"
        ),
        sa.PrimaryKeyConstraint("tenant", "proposal", "approver"),
        sa.UniqueConstraint("tenant", "proposal", "approver_key_sha256", name="proposal_approval_one_key_once"),
    )


def _acknowledgements() -> None:
    op.create_table(
        "key_change",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant"),
    )
    op.create_table(
        "trust_acknowledgement",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("client", sa.String(length=512), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "client"),
    )
    with op.batch_alter_table("trust_acknowledgement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_trust_acknowledgement_time"), ["time"], unique=False)


def _trust_bundles() -> None:
    op.create_table(
        "trust_bundle",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(length=512), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("sign_time", UtcTime(), nullable=False),
        sa.Column("context", sa.String(length=255), nullable=False),
        sa.Column("event_key", sa.String(length=64), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("own_changes", sa.BigInteger(), nullable=False),
        sa.Column("system_changes", sa.BigInteger(), nullable=False),
        sa.Column("next_change_time", UtcTime(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sequence"),
    )
    op.create_table(
        "trust_bundle_version",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=512), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version"),
    )


def _aliases() -> None:
    op.create_table(
        "key_alias",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("alias", sa.String(length=63), nullable=False),
        sa.Column("key_id", sa.String(length=63), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("update_time", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant", "key_id"], ["key.tenant", "key.key_id"], name="key_alias_key"),
        sa.PrimaryKeyConstraint("tenant", "alias"),
    )
    with op.batch_alter_table("key_alias", schema=None) as batch_op:
        batch_op.create_index("ix_key_alias_key", ["tenant", "key_id"], unique=False)


def _life_of_keys() -> None:
    with op.batch_alter_table("key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rotation_period", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("publish_lead", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("verify_tail", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("next_rotation_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("rotation_claim_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("use_per_second", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("use_total", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("use_not_after", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("use_count", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("destroy_wait", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("export_policy", sa.String(length=16), server_default="never", nullable=False))
        batch_op.create_index(batch_op.f("ix_key_next_rotation_time"), ["next_rotation_time"], unique=False)


def _life_of_versions() -> None:
    with op.batch_alter_table("key_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("public_key", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("activate_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("compromise_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("destroy_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("destroy_claim_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("state_before", sa.String(length=32), nullable=True))
        batch_op.alter_column(
            "state", existing_type=sa.VARCHAR(length=16), type_=sa.String(length=32), existing_nullable=False
        )
        batch_op.alter_column("material", existing_type=sa.BLOB(), nullable=True)
        batch_op.create_index(batch_op.f("ix_key_version_destroy_time"), ["destroy_time"], unique=False)
        batch_op.create_index("ix_key_version_state", ["state", "activate_time"], unique=False)
