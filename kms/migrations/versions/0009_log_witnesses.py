"""cosignatures of witnesses on the log's checkpoints"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tlog_checkpoint", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cosignatures", sa.LargeBinary(), nullable=True))
