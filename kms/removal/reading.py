"""Use cases that change nothing: a removal, a page of them, the report."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.errors import InvalidArgument, Reason, not_found
from kms.core.names import ChildName
from kms.removal import day_store, receipt_store, report_store, store
from kms.removal.model import Removal, RemovalState, Report

REPORT_DEFAULT: Final = timedelta(days=30)
REPORT_MOST: Final = timedelta(days=3660)
OVERDUE_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Of a list: only those of this device, of this consent, in this state."""

    device: ChildName | None = None
    consent: ChildName | None = None
    state: RemovalState | None = None


@dataclass(frozen=True, slots=True)
class RemovalReader:
    database: Database

    async def get(self, name: ChildName) -> Removal:
        """With its best receipt. Raises the uniform not-found."""

        def find(tx: Connection) -> Removal | None:
            found = store.find(tx, name)
            return None if found is None else replace(found, receipt=receipt_store.find_best(tx, name))

        removal = await self.database.read(find)
        if removal is None:
            raise not_found(str(name))
        return removal

    async def list(self, tenant: str, wanted: Wanted, *, before: str, limit: int) -> tuple[list[Removal], bool]:
        """A page, newest first, and whether there are more. Receipts come without their evidence."""

        def find(tx: Connection) -> list[Removal]:
            found = store.newest(
                tx,
                tenant,
                before=before,
                limit=limit + 1,
                device="" if wanted.device is None else wanted.device.id,
                consent="" if wanted.consent is None else wanted.consent.id,
                state=wanted.state,
            )
            receipts = receipt_store.find_best_of(tx, tenant, [each.name.id for each in found])
            return [replace(each, receipt=receipts.get(each.name.id)) for each in found]

        removals = await self.database.read(find)
        return removals[:limit], len(removals) > limit

    async def report(self, tenant: str, *, since: datetime | None, until: datetime | None, now: datetime) -> Report:
        """Of the removals issued since and before; by default those of the last 30 days.

        Raises InvalidArgument for a span that is empty or longer than ten years.
        """
        until = now if until is None else until
        since = until - REPORT_DEFAULT if since is None else since
        if not timedelta(0) < until - since <= REPORT_MOST:
            sentence = "since must be before until, by ten years at most"
            raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="since")
        return await self.database.read(lambda tx: _report(tx, tenant, since, until, now))


def _report(tx: Connection, tenant: str, since: datetime, until: datetime, now: datetime) -> Report:
    chosen = report_store.issued_between(tenant, since, until)
    last = (until - timedelta(microseconds=1)).astimezone(UTC).date()
    return Report(
        since=since,
        until=until,
        report_time=now,
        states=report_store.states(tx, chosen),
        grades=report_store.grades(tx, chosen),
        to_acknowledgement=report_store.to_acknowledgement(tx, chosen),
        to_receipt=report_store.to_receipt(tx, chosen),
        overdue=tuple(store.oldest_overdue(tx, tenant, since=since, until=until, limit=OVERDUE_MAX)),
        daily_roots=tuple(day_store.between(tx, tenant, since.astimezone(UTC).date(), last)),
    )
