"""What a database's driver raises, and what it means: away, in the way of another transaction, or the work's own fault.

Statements on hot paths go to the driver itself (kms.core.direct_sql), so its own exceptions come here as well as those
that SQLAlchemy wraps. Codes: PostgreSQL, appendix A, "PostgreSQL Error Codes".
"""

import logging
import sqlite3
from typing import Final

import sqlalchemy as sa

from kms.core.errors import InternalError, InvalidArgument, OutcomeUnknown, Reason, Unavailable

_logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 5
_CONFLICTS: Final = {"40001", "40P01"}
"""Serialisation failure, deadlock: the same transaction works when it runs again."""
_AWAY: Final = {"25006", "25P02", "25P03"}
"""A standby that was taken for the primary, a transaction that is broken already, one that was ended for idling."""
_AWAY_CLASSES: Final = {"08", "40", "53", "55", "57", "58"}
"""Connection, rollback, resources (disk, memory, connections), locks, operator's intervention, the system below."""


class TransactionLost(Unavailable):
    """The database dropped the transaction of a whole batch: none of its work was stored."""

    def __init__(self) -> None:
        problem = "the database could not store this (is its disk full?); retry"
        super().__init__(Reason.DATABASE_UNAVAILABLE, problem, retry_after_seconds=_RETRY_SECONDS)


def is_conflict(error: BaseException) -> bool:
    """Another replica's transaction stood in the way, and this one was chosen to give in: run it again."""
    return _code(_of_driver(error)) in _CONFLICTS


def is_away(error: BaseException) -> bool:
    """Locked, full, restarting, gone: the same call may work later."""
    if isinstance(error, sa.exc.OperationalError | sa.exc.TimeoutError):
        return True
    driver = _of_driver(error)
    if isinstance(driver, sqlite3.OperationalError):
        return True
    code = _code(driver)
    if code is not None:
        return code in _AWAY or code[:2] in _AWAY_CLASSES
    # A connection that broke has no code: psycopg's OperationalError and InterfaceError, of a driver that is optional.
    return type(driver).__module__.partition(".")[0] == "psycopg" and any(
        kind.__name__ in {"OperationalError", "InterfaceError"} for kind in type(driver).__mro__
    )


def as_service_error(error: Exception) -> Exception:
    """A database that is away is worth a retry; anything else is the work's own."""
    if _is_damaged(error):
        _logger.error("the database is damaged: %s", error)
        return InternalError(
            Reason.INTERNAL,
            "the database file is damaged, or is none. Restore a backup into an empty place: a file from a backup does "
            "not belong beside the -wal and -shm files of another",
        )
    if _is_unstorable(error):
        problem = "a text in the request holds a character that no stored text can hold"
        return InvalidArgument(Reason.FIELD_INVALID, problem)
    if not is_away(error):
        return error
    _logger.error("the database refused: %s", error)
    return Unavailable(
        Reason.DATABASE_UNAVAILABLE,
        "the database is not usable right now; retry",
        retry_after_seconds=_RETRY_SECONDS,
    )


def outcome_unknown(error: BaseException) -> OutcomeUnknown:
    """The connection broke while the commit was asked for."""
    _logger.error("the database did not answer a commit: %s", error)
    return OutcomeUnknown(
        Reason.DATABASE_UNAVAILABLE,
        "the database went away while it was storing this; repeat the call with the same request_id",
        retry_after_seconds=_RETRY_SECONDS,
    )


def _is_damaged(error: BaseException) -> bool:
    """SQLITE_CORRUPT or SQLITE_NOTADB."""
    driver = _of_driver(error)
    return isinstance(driver, sqlite3.DatabaseError) and getattr(driver, "sqlite_errorcode", 0) & 0xFF in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }


def _is_unstorable(error: BaseException) -> bool:
    """A NUL: psycopg refuses it before PostgreSQL would (character_not_in_repertoire)."""
    driver = _of_driver(error)
    is_data = type(driver).__module__.partition(".")[0] == "psycopg" and type(driver).__name__ == "DataError"
    return is_data and _code(driver) in {None, "22021"} and "NUL" in str(driver)


def _of_driver(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error


def _code(error: BaseException) -> str | None:
    """PostgreSQL's SQLSTATE: five characters."""
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else None
