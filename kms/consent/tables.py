"""Tables of consents and leases; kms.consent.store and lease_store write them, those two and promised.py read them.

consent         one row a record. `said`: the parts that never change, as JSON. `ends_at`: its expire_time while it is
                open, else null: what the clock has to look at. `removal_due`: it was ended without asking the devices
                to delete yet. `removal_seconds`: the promise, as `said` has it
consent_device  whom it was given to, in their order
consent_change  what the log promised for each revision, with the receipt where one was issued
lease           one row for each (consent, device, artifact). `renew_time`: null when it is not to be renewed
"""

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

consent = sa.Table(
    "consent",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("pii_principal_id", sa.String(43), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
    sa.Column("expire_time", UtcTime, nullable=False),
    sa.Column("end_time", UtcTime),
    sa.Column("end_reason", sa.String(512), nullable=False),
    sa.Column("ends_at", UtcTime),
    sa.Column("removal_due", sa.Boolean, nullable=False),
    sa.Column("removal_seconds", sa.Integer, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Index("ix_consent_person", "tenant", "pii_principal_id", "id"),
    sa.Index("ix_consent_ends_at", "ends_at"),
)
sa.Index(
    "ix_consent_removal_due",
    consent.c.removal_due,
    sqlite_where=consent.c.removal_due == sa.true(),
    postgresql_where=consent.c.removal_due,
)
sa.Index(
    "ix_consent_removal_seconds",
    consent.c.tenant,
    consent.c.removal_seconds,
    sqlite_where=consent.c.ends_at.is_not(None),
    postgresql_where=consent.c.ends_at.is_not(None),
)

consent_device = sa.Table(
    "consent_device",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("consent", sa.String(36), primary_key=True),
    sa.Column("device", sa.String(36), primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Index("ix_consent_device_device", "tenant", "device", "consent"),
)

consent_change = sa.Table(
    "consent_change",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("consent", sa.String(36), primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_key", sa.String(36), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("receipt", sa.LargeBinary),
    sa.Column("key_version", sa.String(512)),
    sa.Column("signature", sa.LargeBinary),
    sa.Column("sign_time", UtcTime),
    sa.Column("removals", sa.JSON, nullable=False),
)

pseudonym_key = sa.Table(
    "consent_pseudonym_key",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("consent", sa.String(36), nullable=False),
    sa.Column("device", sa.String(36), nullable=False),
    sa.Column("artifact", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("not_before", UtcTime, nullable=False),
    sa.Column("expire_time", UtcTime, nullable=False),
    sa.Column("renew_time", UtcTime),
    sa.Column("duration_seconds", sa.BigInteger, nullable=False),
    sa.Column("max_staleness_seconds", sa.BigInteger, nullable=False),
    sa.Column("offline_grace_seconds", sa.BigInteger, nullable=False),
    sa.Column("on_silence", sa.String(8), nullable=False),
    sa.Column("on_expiry", sa.String(8), nullable=False),
    sa.Column("status_list", sa.Integer, nullable=False),
    sa.Column("status_idx", sa.Integer, nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.UniqueConstraint("tenant", "consent", "device", "artifact", name="uq_lease_of"),
    sa.Index("ix_lease_device", "tenant", "device", "id"),
    sa.Index("ix_lease_renew_time", "renew_time"),
)
