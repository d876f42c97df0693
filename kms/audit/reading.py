"""What auditors read: the report on coverage, and the sessions."""

import functools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from kms.audit import other_tables, session_store, signature_store
from kms.audit.coverage import Counts, Coverage, coverage_of
from kms.audit.model import Session, hour_of
from kms.audit.session_store import Place
from kms.core.database import Database
from kms.core.errors import InvalidArgument, Reason

REPORT_DEFAULT: Final = timedelta(days=30)
REPORT_MOST: Final = timedelta(days=3660)
_NONE: Final = "none"
"""Of callers with a token alone."""


@dataclass(frozen=True, slots=True)
class AuditReader:
    """Where a tenant is None, all of them are meant."""

    database: Database

    async def coverage(
        self, tenant: str | None, *, since: datetime | None, until: datetime | None, now: datetime
    ) -> Coverage:
        """Of the 30 days before `until`, and until now, where nothing else is said. Signatures are counted by hours:
        the hours that `since` and `until` lie in count whole.

        Raises InvalidArgument for a span that is empty or longer than ten years.
        """
        until = now if until is None else until
        since = hour_of(until - REPORT_DEFAULT if since is None else since)
        if not timedelta(0) < until - since <= REPORT_MOST:
            sentence = "since must be before until, by ten years at most"
            raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="since")
        counts = await self.database.read(functools.partial(_count, tenant=tenant, since=since, until=until))
        return coverage_of(counts, since=since, until=until)

    async def sessions(
        self, tenant: str | None, *, classical_only: bool, after: Place | None, limit: int
    ) -> list[Session]:
        """Newest first."""
        listing = functools.partial(
            session_store.listing, tenant=tenant, classical_only=classical_only, after=after, limit=limit
        )
        return await self.database.read(listing)


def _count(tx: Connection, tenant: str | None, since: datetime, until: datetime) -> Counts:
    sessions = functools.partial(session_store.counts, tx, tenant, since=since, until=until)
    return Counts(
        sessions={(version, group): count for (version, group), count in sessions(("tls_version", "tls_group"))},
        certificates={
            (key, signature): count
            for (key, signature), count in sessions(("certificate_key", "certificate_signature"))
        },
        token_sessions=sum(count for (kind,), count in sessions(("authentication",)) if "oidc" in kind),
        keys=other_tables.key_versions(tx, tenant),
        service_keys=other_tables.service_key_versions(tx),
        signatures=signature_store.counts(tx, tenant, since=since, until=until),
        devices=other_tables.devices(tx, tenant),
        approvals=other_tables.approvals(tx, tenant, since=since, until=until),
        checkpoints=other_tables.checkpoints(tx, since=since, until=until),
        receipt_keys=other_tables.classical_receipt_keys(tx),
    )
