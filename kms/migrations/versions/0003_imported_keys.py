"""imported keys"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("key_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("origin", sa.String(length=16), server_default="generated", nullable=False))
        batch_op.add_column(sa.Column("exportable", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("creation_event", sa.String(length=36), nullable=True))
