"""publish times of versions; reports of compromise that leave a key stopped"""

import sqlalchemy as sa
from alembic import op

from kms.core.database import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trust_bundle_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("publish_time", UtcTime(), nullable=True))
    with op.batch_alter_table("compromise_report", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stops_primary", sa.Boolean(), server_default=sa.true(), nullable=False))
    # From the oldest bundle that is kept: never too early, and a version that waits need not wait once more.
    op.execute(
        "UPDATE trust_bundle_version SET publish_time = (SELECT MIN(b.sign_time) FROM trust_bundle b"
        " WHERE b.tenant = trust_bundle_version.tenant AND b.sequence >= trust_bundle_version.sequence AND b.published)"
    )
