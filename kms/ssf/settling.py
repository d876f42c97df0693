"""What a receiver said of sets that were delivered to it, in one transaction: gone from the queue, counted."""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.ssf import queue_store, stream_store
from kms.ssf.model import Refused, Stream

_logger = logging.getLogger(__name__)


def settle(
    tx: Connection, stream: Stream, *, delivered: Sequence[str], refused: Sequence[Refused], now: datetime
) -> None:
    """By jti; those that do not wait (any more) are passed over. The caller has locked the stream.

    A refused set is not sent again: the receiver has said that it can not use it (RFC 8935, section 2.3).
    """
    if queue_store.remove(tx, stream.id, delivered):
        stream_store.update_stream(tx, stream.id, last_delivery_time=now)
    known = [each for each in refused if queue_store.remove(tx, stream.id, [each.jti])]
    if known:
        values = {"refused": stream.refused + len(known), "last_error": str(known[-1])}
        stream_store.update_stream(tx, stream.id, **values)
        _logger.warning("%s refused %d sets, the last one: %s", stream.receiver, len(known), known[-1])
