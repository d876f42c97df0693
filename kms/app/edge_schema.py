"""Whether a database is one that an edge of this version can read: it changes nothing, so it can not make it so."""

from sqlalchemy.engine import Connection

from kms import migrations
from kms.app.offline import DatabaseUnfit
from kms.events import store as event_store
from kms.events.cursor import CursorCodec


def open_cursors(tx: Connection) -> CursorCodec:
    """The key of cursors. Raises DatabaseUnfit unless API replicas of this version, or of a newer one, have used the
    database: migrations only add, so that an edge may be upgraded after them.
    """
    stored, newest = migrations.stored(tx), migrations.newest()
    if stored is None or (stored != newest and migrations.is_known(stored)):
        raise DatabaseUnfit(
            f"the database is of version {stored or 'none'}, this edge of {newest}: start an API replica of this "
            "edge's version first, which brings the database up to date, or take the edge that belongs to the database"
        )
    key = event_store.find_cursor_key(tx)
    if key is None:
        raise DatabaseUnfit("no API replica has used this database yet: start one, and then the edge")
    return CursorCodec(key)
