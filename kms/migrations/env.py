"""Alembic's entry: runs the revisions on the connection that kms.migrations.upgrade hands over."""

from alembic import context

import kms.access.grant_store
import kms.access.store
import kms.appraisal.store
import kms.approvals.store
import kms.artifacts.store
import kms.audit.tables
import kms.collateral.store
import kms.consent.tables
import kms.core.idempotency
import kms.devices.store
import kms.events.tables
import kms.keys.store
import kms.log.store
import kms.releases.tables
import kms.removal.tables
import kms.revocation.assurance_store
import kms.revocation.compromise_store
import kms.revocation.store
import kms.server.channel_use_store
import kms.ssf.tables
import kms.status.lists
import kms.tenants.store
import kms.trust.store  # noqa: F401 - every store, so that autogenerate sees all tables
from kms.core.database import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
    user_module_prefix="",
)
context.run_migrations()
