"""Which kinds of calls came lately: what a dry run of an access policy is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from kms.audit import seen_store
from kms.audit.model import SeenCall
from kms.core.database import Database

PAGE_MAX = 1000


@dataclass(frozen=True, slots=True)
class SeenCallsReader:
    """Of the days that settings keep (audit.session_days), a few seconds behind."""

    database: Database

    async def page(self, tenant: str, page_size: int, token: str) -> tuple[Sequence[SeenCall], str]:
        """At most `page_size` (1 to 1000) kinds after the page that gave `token` (empty: from the first), and the token
        of the next page; empty after the last one. Any text may be given as token: it is a place in an order, no right.
        Raises Unavailable.
        """
        size = min(max(page_size, 1), PAGE_MAX)
        after = token if token.isascii() and token.isalnum() else ""
        found = await self.database.read(lambda tx: seen_store.kinds(tx, tenant, after=after, limit=size + 1))
        return [call for _, call in found[:size]], found[size - 1][0] if len(found) > size else ""
