"""keys that demand a verdict about a device"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("attestation_gate", sa.Text(), nullable=True))
