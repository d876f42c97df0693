"""Where a write transaction begins and ends, and the savepoints in it: at the driver, where that is cheaper.

A transaction that its database dropped is told from one that goes on (`check_transaction`).
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database_failures import TransactionLost, outcome_unknown


@contextlib.contextmanager
def server_transaction(connection: Connection) -> Iterator[None]:
    """Raises OutcomeUnknown when the connection breaks during the commit."""
    transaction = connection.begin()
    try:
        yield
    except BaseException:
        if _is_closed(connection):
            connection.invalidate()
        else:
            transaction.rollback()
        raise
    try:
        transaction.commit()
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated or _is_closed(connection):
            raise outcome_unknown(error) from error
        raise


@contextlib.contextmanager
def sqlite_transaction(connection: Connection) -> Iterator[None]:
    """Begun and ended at the driver: what only SQLAlchemy knows of a transaction costs a third of a small one.

    Work that goes through SQLAlchemy begins its own transaction, which finds this one (kms.core.database).
    """
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        driver.rollback()
        raise
    try:
        connection.commit()
        driver.commit()
    except BaseException:
        connection.rollback()  # SQLAlchemy would refuse every later transaction
        driver.rollback()
        raise


def check_transaction(connection: Connection) -> None:
    """Raises TransactionLost unless everything that was done since the beginning can still be committed.

    SQLite gives up the whole transaction on a full disk or an I/O error, and what follows would commit by itself. A
    server's transaction is gone with its connection; and the COMMIT of one that failed is answered with ROLLBACK.
    """
    if connection.invalidated:
        raise TransactionLost
    driver: Any = connection.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        good = driver.in_transaction
    else:
        good = driver.info.transaction_status.name == "INTRANS"
    if not good:
        raise TransactionLost


@contextlib.contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Straight to the driver: SQLAlchemy's own nested transaction costs more than most work inside it.

    Raises TransactionLost when there is nothing left to go back to.
    """
    driver: Any = connection.connection.dbapi_connection
    driver.execute("SAVEPOINT piece")
    try:
        yield
        driver.execute("RELEASE SAVEPOINT piece")
    except BaseException:
        if _is_closed(connection):
            raise TransactionLost from None
        if isinstance(driver, sqlite3.Connection):
            check_transaction(connection)
        driver.execute("ROLLBACK TO SAVEPOINT piece")
        driver.execute("RELEASE SAVEPOINT piece")
        raise


def _is_closed(connection: Connection) -> bool:
    return connection.invalidated or bool(getattr(connection.connection.dbapi_connection, "closed", False))
