"""Replay of answers by request_id (AIP-155): the same call again gets the same answer, another body is refused.

The record commits in the same transaction as the act, so an answer exists exactly when the act does. Kept 24 hours or
longer (`purge`).
"""

import functools
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import cbor2
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from kms.core.database import UtcTime, metadata, to_microseconds
from kms.core.direct_sql import AmongSql, InsertMany
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

_COLUMNS = ("caller", "request_id", "fingerprint", "answer", "create_time")
_STORE = InsertMany("idempotency_record", _COLUMNS)
_STORE_NEW = InsertMany("idempotency_record", _COLUMNS, skip_existing=True)
_FIND = AmongSql(
    "SELECT request_id, fingerprint, answer FROM idempotency_record WHERE caller = ? AND request_id IN (*)"
)
_FORGET = AmongSql("DELETE FROM idempotency_record WHERE caller = ? AND request_id IN (*)")

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

    @classmethod
    def of_message(cls, caller: Caller, method: str, request: Any, *, without: Sequence[str] = ()) -> "RequestKey":
        """Of a protobuf message with a request_id. `without`: fields that a retry of the same call may have otherwise.

        log_wait always is one: who asks again may wait for more, or for less. Raises InvalidArgument.
        """
        body = type(request)()
        body.CopyFrom(request)
        for field in ("log_wait", *without):
            if field in body.DESCRIPTOR.fields_by_name:
                body.ClearField(field)
        return cls.of(caller, request.request_id, method, body.SerializeToString(deterministic=True))


@functools.cache
def _adapter(answer_type: type[T]) -> TypeAdapter[T]:
    """Milliseconds to make: one for each type, when the first answer comes."""
    return TypeAdapter(answer_type)


class Replays(Generic[T]):
    """Stored answers of one kind: a frozen dataclass that pydantic can write and read, or `encode` and `decode`."""

    def __init__(
        self,
        answer_type: type[T],
        *,
        encode: Callable[[T], bytes] | None = None,
        decode: Callable[[bytes], T] | None = None,
    ) -> None:
        def adapter() -> TypeAdapter[T]:
            return _adapter(answer_type)  # type: ignore[arg-type]  # a type is hashable

        self._encode = encode or (lambda answer: cbor2.dumps(adapter().dump_python(answer)))
        self._decode = decode or (lambda stored: adapter().validate_python(cbor2.loads(stored)))

    def find(self, tx: Connection, key: RequestKey) -> T | None:
        """The earlier answer, or None. Raises AlreadyExists/REQUEST_ID_REUSED when the body differs."""
        found = self.find_many(tx, [key]).get(key)
        if isinstance(found, AlreadyExists):
            raise found
        return found

    def find_many(self, tx: Connection, keys: Sequence[RequestKey]) -> dict[RequestKey, T | AlreadyExists]:
        """Earlier answers, and a refusal where the body differs; nothing for a key that is new."""
        return {key: self._read(key, row) for key, row in _find(tx, keys).items()}

    def knows(self, tx: Connection, caller: Caller, request_id: str) -> bool:
        """Was this request_id answered, whatever the body? For calls whose body comes later than the question."""
        return bool(_FIND.rows(tx, (caller.spiffe_id,), among=[request_id]))

    def store(self, tx: Connection, key: RequestKey, answer: T, now: datetime) -> None:
        """Call after `find` answered None in the same write transaction."""
        _STORE(tx, [self._row(key, answer, now)])

    def store_new(
        self, tx: Connection, answers: Sequence[tuple[RequestKey, T]], now: datetime
    ) -> dict[RequestKey, T | AlreadyExists]:
        """Stores each answer whose request_id is new; what came earlier, or a refusal, for each of the others.

        For answers that differ from every other one ever made. One statement where nothing came earlier.
        """
        rows = [self._row(key, answer, now) for key, answer in answers]
        if _STORE_NEW(tx, rows) == len(rows):
            return {}
        found = _find(tx, [key for key, _ in answers])
        ours = {key: row[3] for (key, _), row in zip(answers, rows, strict=True)}
        return {key: self._read(key, row) for key, row in found.items() if row[1] != ours[key]}

    def forget(self, tx: Connection, keys: Sequence[RequestKey]) -> None:
        """Takes back what `store_new` stored in this same transaction."""
        for key in keys:
            _FORGET.change(tx, (key.caller,), among=(key.request_id,))

    def _row(self, key: RequestKey, answer: T, now: datetime) -> tuple[str, str, bytes, bytes, int]:
        return key.caller, key.request_id, key.fingerprint, self._encode(answer), to_microseconds(now)

    def _read(self, key: RequestKey, row: tuple[bytes, bytes]) -> T | AlreadyExists:
        fingerprint, answer = row
        return self._decode(answer) if hmac.compare_digest(fingerprint, key.fingerprint) else _reused()


def _find(tx: Connection, keys: Sequence[RequestKey]) -> dict[RequestKey, tuple[bytes, bytes]]:
    """Fingerprint and answer of those that are there. By caller first: that is how the index is sorted."""
    by_caller: dict[str, set[str]] = {}
    for key in keys:
        by_caller.setdefault(key.caller, set()).add(key.request_id)
    stored: dict[tuple[str, str], tuple[bytes, bytes]] = {}
    for caller, request_ids in by_caller.items():
        for request_id, fingerprint, answer in _FIND.rows(tx, (caller,), among=list(request_ids)):
            stored[caller, request_id] = (bytes(fingerprint), bytes(answer))
    return {key: stored[key.caller, key.request_id] for key in keys if (key.caller, key.request_id) in stored}


def _reused() -> AlreadyExists:
    return AlreadyExists(
        Reason.REQUEST_ID_REUSED,
        "this request_id was used for a different call; make a new UUID for each call",
        field="request_id",
    )


def purge(tx: Connection, now: datetime) -> int:
    """Forgets answers older than LIFETIME; returns how many."""
    return tx.execute(_record.delete().where(_record.c.create_time < now - LIFETIME)).rowcount
