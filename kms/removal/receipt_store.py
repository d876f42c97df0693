"""The table of receipts; nobody else touches it. One of each grade is kept for a removal."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.names import ChildName
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise
from kms.removal.model import COUNTERSIGNATURE_CONTEXT, Receipt, ReceiptGrade
from kms.removal.tables import receipt


def insert(tx: Connection, name: ChildName, made: Receipt) -> None:
    signature, promise = made.countersignature, made.promise
    tx.execute(
        receipt.insert().values(
            tenant=name.tenant,
            removal=name.id,
            grade=made.grade,
            payload=made.set,
            signature=made.signature,
            evidence=made.evidence,
            receive_time=made.receive_time,
            countersigned=made.countersigned,
            key_version=signature.key_version,
            countersignature=signature.signature,
            sign_time=signature.sign_time,
            event_key=promise.event_key,
            leaf_hash=promise.leaf_hash,
            entry=promise.entry,
        )
    )


def find_best(tx: Connection, name: ChildName) -> Receipt | None:
    mine = sa.and_(receipt.c.tenant == name.tenant, receipt.c.removal == name.id)
    row = tx.execute(sa.select(receipt).where(mine).order_by(receipt.c.grade.desc()).limit(1)).first()
    return None if row is None else _read(row)


def find_best_of(tx: Connection, tenant: str, removals: Sequence[str]) -> dict[str, Receipt]:
    """By the id of the removal, without their evidence; for a page of them."""
    columns = [column for column in receipt.c if column.name != "evidence"]
    query: sa.Select[Any] = sa.select(*columns, sa.literal(b"").label("evidence"))
    mine = sa.and_(receipt.c.tenant == tenant, receipt.c.removal.in_(removals))
    return {row.removal: _read(row) for row in tx.execute(query.where(mine).order_by(receipt.c.grade))}


def _read(row: sa.Row[Any]) -> Receipt:
    return Receipt(
        set=row.payload,
        signature=row.signature,
        evidence=row.evidence,
        grade=ReceiptGrade(row.grade),
        receive_time=row.receive_time,
        countersigned=row.countersigned,
        countersignature=ServiceSignature(
            key_version=row.key_version,
            signature=row.countersignature,
            context=COUNTERSIGNATURE_CONTEXT,
            sign_time=row.sign_time,
        ),
        promise=LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry),
    )
