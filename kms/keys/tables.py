"""Tables of keys. Only the stores of kms.keys touch them."""

import sqlalchemy as sa

from kms.core.database import UtcTime, metadata

key_table = sa.Table(
    "key",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("key_id", sa.String(63), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("algorithm", sa.String(64), nullable=False),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("primary_version", sa.Integer),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
    sa.Column("revoke_time", UtcTime),
    # Durations are whole seconds. NULL: none, or for rows of the first release the default.
    sa.Column("rotation_period", sa.BigInteger),
    sa.Column("publish_lead", sa.BigInteger),
    sa.Column("verify_tail", sa.BigInteger),
    sa.Column("next_rotation_time", UtcTime, index=True),
    sa.Column("rotation_claim_time", UtcTime),
    sa.Column("use_per_second", sa.Integer),
    sa.Column("use_total", sa.BigInteger),
    sa.Column("use_not_after", UtcTime),
    sa.Column("use_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("destroy_wait", sa.BigInteger),
    sa.Column("export_policy", sa.String(16), nullable=False, server_default="never"),
    # Canonical JSON (kms.keys.attestation_gate). NULL: no gate.
    sa.Column("attestation_gate", sa.Text),
    # A kms.core.resources.Sensitivity, in lower case.
    sa.Column("sensitivity", sa.String(16), nullable=False, server_default="standard"),
)

version_table = sa.Table(
    "key_version",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("key_id", sa.String(63), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(32), nullable=False),
    # NULL after the private half was destroyed.
    sa.Column("material", sa.LargeBinary),
    # NULL in rows of the first release: then it is in the material.
    sa.Column("public_key", sa.LargeBinary),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("activate_time", UtcTime),
    sa.Column("deactivate_time", UtcTime),
    sa.Column("compromise_time", UtcTime),
    sa.Column("destroy_time", UtcTime, index=True),
    sa.Column("destroy_claim_time", UtcTime),
    sa.Column("revoke_time", UtcTime),
    sa.Column("state_before", sa.String(32)),
    sa.Column("origin", sa.String(16), nullable=False, server_default="generated"),
    sa.Column("exportable", sa.Boolean, nullable=False, server_default=sa.false()),
    # NULL in rows of the first release.
    sa.Column("creation_event", sa.String(36)),
    sa.ForeignKeyConstraint(["tenant", "key_id"], ["key.tenant", "key.key_id"], name="key_version_key"),
    sa.Index("ix_key_version_state", "state", "activate_time"),
)

alias_table = sa.Table(
    "key_alias",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("alias", sa.String(63), primary_key=True),
    sa.Column("key_id", sa.String(63), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
    sa.ForeignKeyConstraint(["tenant", "key_id"], ["key.tenant", "key.key_id"], name="key_alias_key"),
    sa.Index("ix_key_alias_key", "tenant", "key_id"),
)

change_table = sa.Table(
    "key_change",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    # Grows with every change that the trust bundle of the tenant must show, in the transaction of the change.
    sa.Column("changes", sa.BigInteger, nullable=False),
)
