"""Tables of removals; the stores of kms.removal read and write them, nobody else."""

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

removal = sa.Table(
    "removal",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("device", sa.String(36), nullable=False),
    sa.Column("artifact", sa.String(64), nullable=False),
    sa.Column("consent", sa.String(36)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("grade", sa.String(2)),
    sa.Column("nonce", sa.LargeBinary(32), nullable=False),
    sa.Column("effective_time", UtcTime, nullable=False),
    sa.Column("deadline", UtcTime, nullable=False),
    sa.Column("issue_time", UtcTime, nullable=False),
    sa.Column("deliver_time", UtcTime),
    sa.Column("acknowledge_time", UtcTime),
    sa.Column("receipt_time", UtcTime),
    sa.Column("lease_end_time", UtcTime),
    sa.Column("close_time", UtcTime),
    sa.Column("check_time", UtcTime),
    sa.Column("reason", sa.String(512), nullable=False),
    sa.Index("ix_removal_check_time", "check_time"),
    sa.Index("ix_removal_device", "tenant", "device", "id"),
    sa.Index("ix_removal_consent", "tenant", "consent", "id"),
    sa.Index("ix_removal_state", "tenant", "state", "id"),
    sa.Index("ix_removal_issue_time", "tenant", "issue_time"),
    sa.Index("ix_removal_receipt_time", "tenant", "receipt_time"),
    sa.Index("ix_removal_close_time", "tenant", "close_time"),
)
"""`check_time`: when the clock decides next about it; null when nothing but a receipt can come any more."""

receipt = sa.Table(
    "removal_receipt",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("removal", sa.String(36), primary_key=True),
    sa.Column("grade", sa.String(2), primary_key=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("evidence", sa.LargeBinary, nullable=False),
    sa.Column("receive_time", UtcTime, nullable=False),
    sa.Column("countersigned", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("countersignature", sa.LargeBinary, nullable=False),
    sa.Column("sign_time", UtcTime, nullable=False),
    sa.Column("event_key", sa.String(36), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
"""One of each grade is kept: a better one takes nothing away."""

overdue_device = sa.Table(
    "removal_overdue_device",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(36), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Index("ix_removal_overdue_device_pending", "pending"),
)
"""What is still to be done about a device: `told` whether its feed says that it is not compliant, `pending` whether
something changed since anybody looked. `revision` counts the changes.
"""

day = sa.Table(
    "removal_day",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("root", sa.LargeBinary(32), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("sign_time", UtcTime, nullable=False),
    sa.Column("event_key", sa.String(36), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)
