"""What was revoked, and why not again: the table of revocations. Their events stand in the feeds (kms.events)."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import metadata
from kms.events import history
from kms.events.model import REVOCATIONS, Placed
from kms.events.tables import feed_event
from kms.revocation.model import RevocationEvent, Subject
from kms.revocation.payload import read_placed

_revocation = sa.Table(
    "revocation",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("subject", sa.String(512), primary_key=True),
    sa.Column("grave", sa.Boolean, primary_key=True),
    sa.Column("event", sa.String(36), nullable=False),
)


def insert(tx: Connection, subject: Subject, *, grave: bool, event: str) -> None:
    """`grave`: it says that the secret may be known. At most one of each kind for a subject."""
    tx.execute(_revocation.insert().values(tenant=subject.tenant, subject=str(subject), grave=grave, event=event))


def find_by_subject(tx: Connection, subject: Subject) -> RevocationEvent | None:
    """The gravest revocation of the subject: there are at most two, the second saying that the secret may be known."""
    chosen = sa.and_(_revocation.c.tenant == subject.tenant, _revocation.c.subject == str(subject))
    event_id = tx.execute(sa.select(_revocation.c.event).where(chosen).order_by(_revocation.c.grave.desc())).scalar()
    if event_id is None:
        return None
    event = history.find_events(tx, [event_id])[event_id]
    place = sa.and_(feed_event.c.event == event_id, feed_event.c.feed == REVOCATIONS)
    return read_placed(Placed(tx.execute(sa.select(feed_event.c.sequence).where(place)).scalar_one(), event))


def events_after(
    tx: Connection, tenant: str, sequence: int, *, limit: int, subject: str = ""
) -> Sequence[RevocationEvent]:
    """The next events of the feed, oldest first; only those of `subject` when it is given."""
    found = history.events_after(tx, tenant, REVOCATIONS, sequence, limit=limit, subject=subject)
    return [read_placed(each) for each in found]
