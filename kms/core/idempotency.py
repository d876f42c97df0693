"""Replay of answers by request_id (AIP-155): the same call again gets the same answer, another body is refused.

The record commits in the same transaction as the act, so an answer exists exactly when the act does. Kept 24 hours or
longer (`purge`).
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import cbor2
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, metadata
from kms.core.errors import AlreadyExists, Reason
from kms.core.identity import Caller
from kms.core.ids import check_request_id

LIFETIME = timedelta(hours=24)

_record = sa.Table(
    "idempotency_record",
    metadata,
    sa.Column("caller", sa.String(512), primary_key=True),
    sa.Column("request_id", sa.String(36), primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False, index=True),
)

_STORE = _record.insert()
_FIND = sa.select(_record.c.caller, _record.c.request_id, _record.c.fingerprint, _record.c.answer).where(
    _record.c.request_id.in_(sa.bindparam("request_ids", expanding=True))
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Who asks, under which request_id, and the SHA-256 of method and body."""

    caller: str
    request_id: str
    fingerprint: bytes

    @classmethod
    def of(cls, caller: Caller, request_id: str, method: str, body: bytes) -> "RequestKey":
        """Raises InvalidArgument when request_id is not a UUID."""
        check_request_id(request_id)
        return cls(caller.spiffe_id, request_id, hashlib.sha256(method.encode() + b"\0" + body).digest())


class Replays(Generic[T]):
    """Stored answers of one kind. T is a frozen dataclass that pydantic can write and read."""

    def __init__(self, answer_type: type[T]) -> None:
        self._adapter = TypeAdapter(answer_type)

    def find(self, tx: Connection, key: RequestKey) -> T | None:
        """The earlier answer, or None. Raises AlreadyExists/REQUEST_ID_REUSED when the body differs."""
        found = self.find_many(tx, [key]).get(key)
        if isinstance(found, AlreadyExists):
            raise found
        return found

    def find_many(self, tx: Connection, keys: Sequence[RequestKey]) -> dict[RequestKey, T | AlreadyExists]:
        """Earlier answers, and a refusal where the body differs; nothing for a key that is new."""
        rows = tx.execute(_FIND, {"request_ids": [key.request_id for key in keys]}).all()
        stored = {(row.caller, row.request_id): row for row in rows}
        found: dict[RequestKey, T | AlreadyExists] = {}
        for key in keys:
            row = stored.get((key.caller, key.request_id))
            if row is not None:
                same = hmac.compare_digest(row.fingerprint, key.fingerprint)
                found[key] = self._adapter.validate_python(cbor2.loads(row.answer)) if same else _reused()
        return found

    def store(self, tx: Connection, key: RequestKey, answer: T, now: datetime) -> None:
        """Call after `find` answered None in the same write transaction."""
        self.store_many(tx, [(key, answer)], now)

    def store_many(self, tx: Connection, answers: Sequence[tuple[RequestKey, T]], now: datetime) -> None:
        """Like `store`, for several callers at once."""
        rows = [
            {
                "caller": key.caller,
                "request_id": key.request_id,
                "fingerprint": key.fingerprint,
                "answer": cbor2.dumps(self._adapter.dump_python(answer)),
                "create_time": now,
            }
            for key, answer in answers
        ]
        tx.execute(_STORE, rows)


def _reused() -> AlreadyExists:
    return AlreadyExists(
        Reason.REQUEST_ID_REUSED,
        "this request_id was used for a different call; make a new UUID for each call",
        field="request_id",
    )


def purge(tx: Connection, now: datetime) -> int:
    """Forgets answers older than LIFETIME; returns how many."""
    return tx.execute(_record.delete().where(_record.c.create_time < now - LIFETIME)).rowcount
