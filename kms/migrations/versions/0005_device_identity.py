"""devices with an identity: challenges' purposes, device classes, HPKE keys, counters, signed results, archive, TPMs"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attestation_input",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    with op.batch_alter_table("attestation_challenge", schema=None) as batch_op:
        batch_op.add_column(sa.Column("purpose", sa.String(length=16), server_default="first_boot", nullable=False))
        batch_op.add_column(sa.Column("key_spki", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("tpm_ak_name", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("tpm_ek_spki", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("tpm_credential_sha256", sa.LargeBinary(length=32), nullable=True))
    with op.batch_alter_table("attestation_verdict", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_counter", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("result", sa.LargeBinary(), nullable=True))
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("device_class", sa.String(length=16), server_default="hardware", nullable=False))
        batch_op.add_column(sa.Column("hpke_kem_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("hpke_public_key", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("attest_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("assert_time", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("counter", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("tpm_ak_name", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("tpm_activation", sa.String(length=36), nullable=True))
