"""What the state row (kms.log.store) says about logs that follow one another."""

from typing import Final

from sqlalchemy.engine import Connection

from hallmark_tlog.merkle import EMPTY_ROOT
from kms.core.direct_sql import DirectSql

_PREFIX: Final = DirectSql("SELECT prefix FROM tlog_state")
_CLOSING_EVENT: Final = DirectSql("SELECT closing_event FROM tlog_state")
_BEGIN_TO_CLOSE: Final = DirectSql("UPDATE tlog_state SET closing_event = ?")
_BEGIN_ANEW: Final = DirectSql("UPDATE tlog_state SET origin = ?, prefix = ?, size = 0, root = ?, closing_event = NULL")
_QUEUED: Final = DirectSql("SELECT 1 FROM tlog_queue WHERE event_key = ?")


def stored_prefix(tx: Connection) -> str:
    """Where the live log lies below the public folder: empty, or ending in a slash."""
    rows = _PREFIX.rows(tx)
    return str(rows[0][0]) if rows else ""


def closing_event(tx: Connection) -> str | None:
    """Event key of the entry that closes the live log; None while it is not being closed."""
    rows = _CLOSING_EVENT.rows(tx)
    return str(rows[0][0]) if rows and rows[0][0] is not None else None


def begin_to_close(tx: Connection, event_key: str) -> None:
    """The entry of this key is to be the last one of the live log."""
    _BEGIN_TO_CLOSE.change(tx, (event_key,))


def begin_anew(tx: Connection, origin: str, prefix: str) -> None:
    """The live log is an empty one of this origin. What the one before held has been moved away."""
    _BEGIN_ANEW.change(tx, (origin, prefix, EMPTY_ROOT))


def is_queued(tx: Connection, event_key: str) -> bool:
    return bool(_QUEUED.rows(tx, (event_key,)))
