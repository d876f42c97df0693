"""What removals ask of the leases: until when a device may go on, and that it gets no more (kms.removal.ports.Leases)."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.consent.tables import lease
from kms.core.names import ChildName, DigestName
from kms.events.model import Status
from kms.status import lists


class GivenLeases:
    """Stateless: the table of leases says it all."""

    def last_end(self, tx: Connection, device: ChildName, artifact: DigestName) -> datetime | None:
        """Grace included, of all leases the device was ever given for the artifact; None without any."""
        query = sa.select(lease.c.expire_time, lease.c.offline_grace_seconds).where(_of_pair(device, artifact))
        ends = [row.expire_time + timedelta(seconds=row.offline_grace_seconds) for row in tx.execute(query)]
        return max(ends, default=None)

    def end_in(self, tx: Connection, device: ChildName, artifact: DigestName, now: datetime) -> None:  # noqa: ARG002
        """They are renewed no more, and the public status list says so."""
        mine = sa.and_(_of_pair(device, artifact), lease.c.live == sa.true())
        ended = tx.execute(sa.select(lease.c.id).where(mine)).scalars().all()
        tx.execute(lease.update().where(mine).values(live=False, renew_time=None))
        for each in ended:
            lists.set_value(tx, device.tenant, str(ChildName(device.tenant, "leases", each)), Status.INVALID)


def _of_pair(device: ChildName, artifact: DigestName) -> sa.ColumnElement[bool]:
    return sa.and_(lease.c.tenant == device.tenant, lease.c.device == device.id, lease.c.artifact == artifact.digest)
