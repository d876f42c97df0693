"""Tables of releases; the stores of kms.releases read and write them, nobody else.

release              one row a release. `removal_due`: it was revoked, and its holders were not all asked to delete yet
release_model        the greatest epoch of each model so far: two releases of one model wait for each other at this row
artifact_holder      one row for each (artifact, device) of which a key was released, or a deletion asked for
device_audit_anchor  where each device's audit chain was last anchored, and the last head that did not follow from there
"""

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

release = sa.Table(
    "release",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("model", sa.String(63), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("minimum_epoch", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("index_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("key", sa.String(63), nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("envelope_info", sa.LargeBinary, nullable=False),
    sa.Column("requires_consent", sa.Boolean, nullable=False),
    sa.Column("creator", sa.String(512), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("removal_due", sa.Boolean, nullable=False),
    sa.UniqueConstraint("tenant", "model", "epoch", name="uq_release_epoch"),
    sa.Index("ix_release_epoch", "tenant", "epoch", "id"),
)
sa.Index(
    "ix_release_removal_due",
    release.c.removal_due,
    sqlite_where=release.c.removal_due == sa.true(),
    postgresql_where=release.c.removal_due,
)

release_model = sa.Table(
    "release_model",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("model", sa.String(63), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

artifact_holder = sa.Table(
    "artifact_holder",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("artifact", sa.String(64), primary_key=True),
    sa.Column("device", sa.String(36), primary_key=True),
    sa.Column("release_time", UtcTime),
    sa.Column("end_time", UtcTime),
    sa.Column("unbounded", sa.Boolean, nullable=False),
)

device_audit_anchor = sa.Table(
    "device_audit_anchor",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(36), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("head", sa.LargeBinary(32), nullable=False),
    sa.Column("anchor_time", UtcTime, nullable=False),
    sa.Column("refused_size", sa.BigInteger, nullable=False),
    sa.Column("refused_head", sa.LargeBinary(32), nullable=False),
)
