"""Rows of receivers."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.ssf.model import Receiver, ReceiverName
from kms.ssf.tables import receiver


def insert_receiver(tx: Connection, new: Receiver) -> None:
    tx.execute(
        receiver.insert().values(
            tenant=new.name.tenant,
            id=new.name.receiver,
            audience=new.audience,
            token_sha256=new.token_sha256,
            create_time=new.create_time,
        )
    )


def find_receiver(tx: Connection, name: ReceiverName) -> Receiver | None:
    row = tx.execute(sa.select(receiver).where(_is(name))).first()
    return None if row is None else _read(row)


def lock_receiver(tx: Connection, name: ReceiverName) -> Receiver | None:
    """Held against other writers until the commit: a stream is not made while its receiver goes."""
    row = tx.execute(sa.select(receiver).where(_is(name)).with_for_update()).first()
    return None if row is None else _read(row)


def find_by_token(tx: Connection, token_sha256: bytes) -> Receiver | None:
    row = tx.execute(sa.select(receiver).where(receiver.c.token_sha256 == token_sha256)).first()
    return None if row is None else _read(row)


def list_receivers(tx: Connection, tenant: str) -> Sequence[Receiver]:
    """By id."""
    query = sa.select(receiver).where(receiver.c.tenant == tenant).order_by(receiver.c.id)
    return [_read(row) for row in tx.execute(query)]


def count_receivers(tx: Connection, tenant: str) -> int:
    query = sa.select(sa.func.count()).select_from(receiver).where(receiver.c.tenant == tenant)
    return int(tx.execute(query).scalar_one())


def delete_receiver(tx: Connection, name: ReceiverName) -> None:
    tx.execute(receiver.delete().where(_is(name)))


def _is(name: ReceiverName) -> sa.ColumnElement[bool]:
    return sa.and_(receiver.c.tenant == name.tenant, receiver.c.id == name.receiver)


def _read(row: Any) -> Receiver:
    return Receiver(
        name=ReceiverName(row.tenant, row.id),
        audience=row.audience,
        token_sha256=row.token_sha256,
        create_time=row.create_time,
    )
