"""Where devices and receivers read the files: the beginning of the URI of every list, which stands in leases."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.status import store
from kms.status.lists import StatusReference
from kms.status.model import list_uri

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class StatusPlace:
    """`configured`: what the settings say. Without it the first `listening` address stays for ever, since references
    were given out with it: another port at the next start changes nothing.
    """

    database: Database
    configured: str | None
    listening: Callable[[], str]
    _known: str | None = field(default=None)

    async def base(self) -> str:
        """Without a slash at the end. Asks the database once."""
        if self._known is None:
            self._known = await self.database.write(self._choose)
        return self._known

    async def uri(self, tenant: str, reference: StatusReference) -> str:
        """For `status_list` in a lease: {"idx": reference.idx, "uri": this}."""
        return list_uri(await self.base(), tenant, reference.list)

    def _choose(self, tx: Connection) -> str:
        stored = store.base_url(tx)
        wanted = (self.configured or stored or self.listening()).rstrip("/")
        if stored is not None and wanted != stored:
            _logger.warning(
                "events.public_url is %s now and was %s: references that were given out name the old one",
                wanted,
                stored,
            )
        if wanted != stored:
            store.set_base_url(tx, wanted)
        return wanted
